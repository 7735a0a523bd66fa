"use strict";
/* Convolution by hand: a kernel on a signal, on a small array, and on a photograph. */

(() => {
	const { element, short, tint } = Draw;
	const $ = (id, part) => document.getElementById(id).querySelector(part);

	const BORDERS = {
		constant: "zeros outside",
		edge: "the edge value outside",
		symmetric: "mirrored outside",
		reflect: "mirrored without the edge",
		wrap: "the other side outside",
		valid: "no outside (valid)",
	};
	const asked = new URLSearchParams(location.hash.slice(1));

	/** A bench as the address has it: its data, its kernel, and how the window moves. */
	const one = {
		data: [0, 0, 2, 5, 5, 3, 3, 4],
		size: [1, 8],
		kernel: [-1, 1],
		window: [1, 2],
		padding: "causal", // the pad on the left, as on the course's page
		border: "constant",
		stride: 1,
		flip: false,
		at: 2,
	};
	const two = {
		data: Array.from({ length: 49 }, (_, i) => (i % 7 < 3 ? 0 : i < 28 ? 9 : 5)),
		size: [7, 7],
		kernel: Engine.KERNELS["Sobel x"],
		window: [3, 3],
		padding: "same",
		border: "symmetric",
		stride: 1,
		flip: false,
		at: 17,
	};

	/** The engine's layer of a bench: true convolution is the flipped kernel's. */
	function layerOf(bench, size = bench.size) {
		const valid = bench.border === "valid";
		const kernel = bench.flip ? [...bench.kernel].reverse() : bench.kernel;
		const layer = {
			kind: "conv",
			size: bench.window,
			strides: bench.window.map((k) =>
				k > 1 || bench.window[0] > 1 ? bench.stride : 1,
			),
			dilation: [1, 1],
			padding: valid ? "valid" : bench.padding,
			border: valid ? "constant" : bench.border,
			centred: true,
			groups: 1,
			filters: 1,
			activation: "linear",
			kernel: 0,
			bias: null,
		};
		const weights = Float32Array.from(kernel);
		return Engine.build({ input: [...size, 1], layers: [layer], weights });
	}

	const run = (net, data) => Engine.run(net, Float32Array.from(data));

	/* -------------------------------------------------------------- the parts */

	function number(value, label, key, change, style) {
		return element("input", {
			...{ value: String(value).replace("-", "−"), "aria-label": label, style },
			...{ "data-key": key, size: 3 },
			onchange(event) {
				const typed = Number(event.target.value.replace("−", "-").replace(",", "."));
				change(Number.isFinite(typed) ? Math.max(-999, Math.min(999, typed)) : value);
			},
		});
	}

	/** A grid of cells; `key` sets them apart for the keyboard's focus. */
	function cells(label, wide, made) {
		const box = element("div", { class: "grid", role: "group", "aria-label": label, style: `--wide:${wide}` }, ...made); // prettier-ignore
		return element("figure", {}, box, element("figcaption", {}, label));
	}

	function editable(bench, name, redraw, seen) {
		const most = Math.max(...bench.data.map(Math.abs));
		return cells(name, bench.size[1], bench.data.map((v, i) => {
      const change = (value) => {
        bench.data[i] = value;
        redraw();
      };
      const cell = element("span", { style: tint(v, most), class: seen.has(i) ? "seen" : null }, number(v, `${name}, place ${i}`, `d${i}`, change)); // prettier-ignore
      return cell;
    })); // prettier-ignore
	}

	function kernelOf(bench, redraw) {
		const most = Math.max(...bench.kernel.map(Math.abs), 1e-9);
		return cells("kernel", bench.window[1], bench.kernel.map((v, i) => {
      const change = (value) => {
        bench.kernel = bench.kernel.map((old, k) => (k === i ? value : old));
        redraw();
      };
      return element("span", { style: tint(v, most) }, number(v, `kernel, place ${i}`, `k${i}`, change)); // prettier-ignore
    })); // prettier-ignore
	}

	function results(bench, values, wide, redraw) {
		const most = Math.max(...values.map(Math.abs), 1e-9);
		return cells("result", wide, Array.from(values, (v, i) => {
      const move = (to) => {
        bench.at = Math.max(0, Math.min(values.length - 1, to));
        redraw(`r${bench.at}`);
      };
      return element("button", {
        "data-key": `r${i}`,
        style: tint(v, most),
        "aria-label": `result ${i}: ${short(v)}`,
        "aria-pressed": String(i === bench.at),
        tabindex: i === bench.at ? "0" : "-1",
        onclick: () => move(i),
        onkeydown(event) {
          const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -wide, ArrowDown: wide }[event.key]; // prettier-ignore
          if (!step) return;
          event.preventDefault();
          move(i + step);
        },
      }, short(v)); // prettier-ignore
    })); // prettier-ignore
	}

	function select(label, options, value, change) {
		const made = Object.entries(options).map(([key, text]) =>
			element("option", { value: key, selected: key === String(value) }, text),
		);
		const box = element("select", { "data-key": label, onchange: (event) => change(event.target.value) }, ...made); // prettier-ignore
		return element("label", { class: "line" }, label, box);
	}

	function controls(bench, kernels, redraw) {
		const set =
			(key, read = (v) => v) =>
			(value) => {
				bench[key] = read(value);
				redraw();
			};
		const pads = { causal: "left (causal)", same: "both sides (same)" };
		const kernel = (numbers) => () => {
			bench.kernel = [...numbers];
			bench.window = [bench.window[0], numbers.length / bench.window[0]];
			redraw();
		};
		return [
			element("div", { class: "buttons" }, ...Object.entries(kernels).map(([name, numbers]) => element("button", { "data-key": name, onclick: kernel(numbers) }, name))), // prettier-ignore
			select("Border", BORDERS, bench.border, set("border")),
			bench.window[0] === 1
				? select("Pads", pads, bench.padding, set("padding"))
				: null,
			select("Stride", { 1: "1", 2: "2", 3: "3" }, bench.stride, set("stride", Number)),
			select("Operation", { 0: "correlation (deep learning)", 1: "true convolution (kernel flipped)" }, Number(bench.flip), set("flip", (v) => v === "1")), // prettier-ignore
		].filter(Boolean);
	}

	/** One result written out: value x weight, and so on. */
	function written(told, at) {
		const { cells: all } = told.terms[0];
		const terms = all.map((cell) => `${short(cell.value)}${cell.outside ? " (pad)" : ""} × ${short(cell.weight)}`); // prettier-ignore
		return element("p", { class: "sum" }, `result ${at} = ${terms.join(" + ")} = `, element("b", {}, short(told.before))); // prettier-ignore
	}

	/** Draws a bench anew, and leaves the focus where it was. */
	function draw(id, bench, kernels, after = () => {}) {
		const redraw = (key) => {
			const section = document.getElementById(id);
			const wanted = key || (section.contains(document.activeElement) && document.activeElement.dataset.key); // prettier-ignore
			const net = layerOf(bench);
			const passed = run(net, bench.data);
			const [high, wide] = net.layers[0].shape;
			const { values } = passed[1];
			bench.at = Math.min(bench.at, values.length - 1);
			$(id, ".controls").replaceChildren(...controls(bench, kernels, () => redraw()));
			if (!values.length) {
				$(id, ".told").replaceChildren("No window fits.");
				return;
			}
			const [y, x] = [Math.floor(bench.at / wide), bench.at % wide];
			const told = Engine.explain(net, passed, 0, y, x, 0);
			const seen = new Set(told.terms[0].cells.filter((cell) => !cell.outside).map((cell) => cell.row * bench.size[1] + cell.column)); // prettier-ignore
			$(id, ".rows").replaceChildren(
				editable(bench, id === "one" ? "signal" : "array", () => redraw(), seen),
				kernelOf(bench, () => redraw()),
				results(bench, values, high === 1 ? values.length : wide, redraw),
			);
			$(id, ".told").replaceChildren(written(told, high === 1 ? x : `at row ${y}, column ${x}`)); // prettier-ignore
			if (wanted) document.getElementById(id).querySelector(`[data-key="${wanted}"]`)?.focus(); // prettier-ignore
			address();
			after();
		};
		redraw();
		return redraw;
	}

	/* --------------------------------------------------------- the photograph */

	const photo = { height: 0, width: 0, grey: null };

	function drawPhoto() {
		if (!photo.grey) return;
		const net = layerOf(two, [photo.height, photo.width]);
		const began = performance.now();
		const { shape, values } = run(net, photo.grey)[1];
		const took = performance.now() - began;
		const most = values.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
		const canvas = $("photo", ".result");
		[canvas.height, canvas.width] = shape;
		canvas.getContext("2d").putImageData(Draw.pixels(values, shape[0], shape[1], 1, 0, most), 0, 0); // prettier-ignore
		document.body.dataset.photo = took.toFixed(0);
		$("photo", ".told").textContent = `${shape[1]} × ${shape[0]} results. Warm: more than 0; blue: less; black: no change.`; // prettier-ignore
	}

	function startPhoto() {
		const image = new Image();
		image.onload = () => {
			const { naturalWidth: width, naturalHeight: height } = image;
			const canvas = element("canvas", { width, height, role: "img", "aria-label": "A cat, in grey" }); // prettier-ignore
			const context = canvas.getContext("2d");
			context.drawImage(image, 0, 0);
			const pixels = context.getImageData(0, 0, width, height);
			photo.grey = new Float32Array(width * height);
			for (let i = 0; i < photo.grey.length; i++) {
				const [r, g, b] = pixels.data.subarray(4 * i, 4 * i + 3);
				photo.grey[i] = (0.299 * r + 0.587 * g + 0.114 * b) / 255;
				pixels.data.fill(255 * photo.grey[i], 4 * i, 4 * i + 3);
			}
			context.putImageData(pixels, 0, 0);
			Object.assign(photo, { width, height });
			const result = element("canvas", { class: "result", role: "img", "aria-label": "Its edges" }); // prettier-ignore
			$("photo", ".rows").replaceChildren(canvas, result);
			drawPhoto();
			document.body.dataset.ready = performance.now().toFixed(0);
		};
		image.src = DATA.photo;
	}

	/* ------------------------------------------------------------ the address */

	function address() {
		const parts = [one, two].map((bench) => {
			const { kernel, border, stride, flip, at } = bench;
			return [kernel.join(","), border, stride, Number(flip), at].map((v) => `${v}`).join(";"); // prettier-ignore
		});
		history.replaceState(null, "", `#one=${parts[0]}&two=${parts[1]}`);
	}

	function read(bench, text) {
		const [kernel, border, stride, flip, at] = (text ?? "").split(";");
		const numbers = (kernel ?? "").split(",").map(Number);
		const fits = bench.window[0] === 1 ? numbers.length < 6 : numbers.length === 9;
		if (kernel && fits && numbers.every(Number.isFinite)) {
			bench.kernel = numbers;
			bench.window = [bench.window[0], numbers.length / bench.window[0]];
		}
		if (Object.hasOwn(BORDERS, border ?? "")) bench.border = border;
		if (["1", "2", "3"].includes(stride)) bench.stride = Number(stride);
		if (flip) bench.flip = flip === "1";
		if (/^\d{1,2}$/.test(at ?? "")) bench.at = Number(at);
	}

	read(one, asked.get("one"));
	read(two, asked.get("two"));
	if (typeof DATA === "undefined") document.getElementById("photo").hidden = true;
	else startPhoto();
	draw("one", one, { "[−1, 1]": [-1, 1], "[−1, 0, 1]": [-1, 0, 1], mean: [1 / 3, 1 / 3, 1 / 3].map((v) => Math.round(1e3 * v) / 1e3), "[1, 2, 4]": [1, 2, 4] }); // prettier-ignore
	draw("two", two, Engine.KERNELS, drawPhoto);
	document.getElementById("old").hidden = true;
})();
