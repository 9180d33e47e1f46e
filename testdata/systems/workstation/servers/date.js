"use strict";
const { serve } = require("@workstation/common");

serve("date", (url) => new Date(Number(url.searchParams.get("s")) * 1000).toISOString());
