"use strict";
const { serve } = require("@workstation/common");

serve("lower", (url) => url.searchParams.get("text").toLowerCase());
