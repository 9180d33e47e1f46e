"use strict";
const { serve } = require("@workstation/common");

serve("base64", (url) => Buffer.from(url.searchParams.get("text")).toString("base64"));
