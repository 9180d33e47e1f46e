"use strict";
const { serve } = require("@workstation/common");

serve("regex", (url) => new RegExp(url.searchParams.get("pattern"), "u").test(url.searchParams.get("text")));
