"use strict";
const { serve } = require("@workstation/common");

serve("sort", (url) => url.searchParams.getAll("word").sort().join(" "));
