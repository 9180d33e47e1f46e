"use strict";
const fs = require("node:fs");
const { serve } = require("@workstation/common");

// An unset variable that became an empty string ends the program at the start.
for (const name of ["DATABASE_URL", "API_TOKEN"]) {
  if (!process.env[name]) {
    console.error(`${name} is not set`);
    process.exit(1);
  }
}

const visits = "/app/data/visits";

serve("api", () => {
  const count = (fs.existsSync(visits) ? Number(fs.readFileSync(visits, "utf8")) : 0) + 1;
  fs.writeFileSync(visits, String(count));
  return count;
});
