"use strict";
const { serve } = require("@workstation/common");

serve("json", (url) => JSON.stringify(JSON.parse(url.searchParams.get("text")), null, 2));
