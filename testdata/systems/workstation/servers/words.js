"use strict";
const { serve } = require("@workstation/common");

serve("words", (url) => url.searchParams.get("text").split(" ").length);
