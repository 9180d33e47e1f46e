"use strict";
const { serve } = require("@workstation/common");

serve("color", (url) => [1, 3, 5].map((at) => parseInt(url.searchParams.get("hex").slice(at, at + 2), 16)).join(" "));
