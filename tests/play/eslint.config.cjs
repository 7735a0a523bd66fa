"use strict";
/* ESLint's recommended rules; the page's files see each other's one global each. */

const js = require("@eslint/js");

const names = (list, how = "readonly") =>
	Object.fromEntries(list.split(" ").map((name) => [name, how]));

module.exports = [
	js.configs.recommended,
	{
		languageOptions: {
			sourceType: "script",
			globals: {
				...names(
					"DATA Engine Draw Maps Microscope KerasFile Own Raster Prepare Ink Sheet",
				),
				...names("Strokes Judge Looking Scene module require Response"),
				...names("addEventListener atob Blob console createImageBitmap"),
				...names(
					"DecompressionStream ResizeObserver devicePixelRatio document history Image ImageData",
				),
				...names("innerWidth location performance process setTimeout TextDecoder"),
				...names("URL URLSearchParams Buffer"),
			},
		},
		rules: {
			// Each file makes one global, for the files after it.
			"no-redeclare": ["error", { builtinGlobals: false }],
			"no-unused-vars": [
				"error",
				{
					varsIgnorePattern:
						"^(Engine|Draw|Maps|Microscope|KerasFile|Own|Raster|Prepare|Ink|Sheet|Strokes|Judge|Looking|Scene)$",
				},
			],
		},
	},
];
