"use strict";
const { serve } = require("@workstation/common");

serve("reverse", (url) => [...url.searchParams.get("text")].reverse().join(""));
