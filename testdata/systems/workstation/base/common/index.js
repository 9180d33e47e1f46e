"use strict";
const http = require("node:http");

// Serves `GET /health`, and `answer(url)` for everything else.
exports.serve = (name, answer) => {
  const server = http.createServer((request, reply) => {
    const url = new URL(request.url, "http://localhost");
    try {
      reply.end(url.pathname === "/health" ? `${name} is healthy\n` : `${answer(url)}\n`);
    } catch (error) {
      reply.statusCode = 400;
      reply.end(`${error.message}\n`);
    }
  });
  process.on("SIGTERM", () => process.exit(0));
  server.listen(Number(process.env.PORT));
};
