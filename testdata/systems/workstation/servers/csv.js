"use strict";
const { serve } = require("@workstation/common");

serve("csv", (url) => url.searchParams.get("line").split(",").length);
