"use strict";
const { serve } = require("@workstation/common");

serve("hex", (url) => Buffer.from(url.searchParams.get("text")).toString("hex"));
