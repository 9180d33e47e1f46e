import { createServer } from "node:http";
import { hash, verify } from "@node-rs/argon2";

// Hashes the body of a request, and verifies the hash.
const server = createServer(async (request, response) => {
  let password = "";
  for await (const part of request) password += part;
  const hashed = await hash(password);
  const verified = await verify(hashed, password);
  response.end(`${hashed.split("$")[1]} ${verified} on ${process.arch}\n`);
});

server.listen(3000);
process.on("SIGTERM", () => server.close());
