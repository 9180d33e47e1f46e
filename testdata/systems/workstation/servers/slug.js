"use strict";
const { serve } = require("@workstation/common");

serve("slug", (url) => url.searchParams.get("text").toLowerCase().replace(/[^a-z0-9]+/g, "-"));
