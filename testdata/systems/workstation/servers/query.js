"use strict";
const { serve } = require("@workstation/common");

serve("query", (url) => [...url.searchParams.keys()].sort().join(" "));
