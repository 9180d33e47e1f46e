// The agent: an API with its health on 3000, the client's page on 5173.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { createServer } from "node:http";
import { nativeModules } from "@eliza/core";

const missing = ["OPENAI_API_KEY"].filter((name) => !process.env[name]);
if (missing.length > 0) {
  console.error(`these variables must be set: ${missing.join(", ")}`);
  process.exit(1);
}

const health = JSON.stringify({ status: "ok", modules: await nativeModules() });
const page = await readFile(createRequire(import.meta.url).resolve("@eliza/client/index.html"));

createServer((request, response) => {
  const known = request.url === "/api/health";
  response.writeHead(known ? 200 : 404, { "content-type": "application/json" });
  response.end(known ? health : '{"error":"not found"}');
}).listen(3000);

createServer((_request, response) => {
  response.writeHead(200, { "content-type": "text/html" });
  response.end(page);
}).listen(5173);

process.on("SIGTERM", () => process.exit(0));
