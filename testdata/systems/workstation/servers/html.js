"use strict";
const { serve } = require("@workstation/common");

serve("html", (url) => url.searchParams.get("text").replace(/&/g, "&amp;").replace(/</g, "&lt;"));
