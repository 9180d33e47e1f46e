"use strict";
const { serve } = require("@workstation/common");

serve("mean", (url) => url.searchParams.getAll("n").reduce((sum, n) => sum + Number(n), 0) / url.searchParams.getAll("n").length);
