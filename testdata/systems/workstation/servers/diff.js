"use strict";
const { serve } = require("@workstation/common");

serve("diff", (url) => url.searchParams.get("a") === url.searchParams.get("b") ? "equal" : "different");
