"use strict";
const { serve } = require("@workstation/common");

serve("path", (url) => require("node:path").normalize(url.searchParams.get("path")));
