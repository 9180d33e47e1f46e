"use strict";
const { serve } = require("@workstation/common");

serve("hash", (url) => require("node:crypto").createHash("sha256").update(url.searchParams.get("text")).digest("hex"));
