"use strict";
const { serve } = require("@workstation/common");

serve("sum", (url) => url.searchParams.getAll("n").reduce((sum, n) => sum + Number(n), 0));
