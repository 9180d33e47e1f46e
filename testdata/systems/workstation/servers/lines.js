"use strict";
const { serve } = require("@workstation/common");

serve("lines", (url) => url.searchParams.get("text").split("\n").length);
