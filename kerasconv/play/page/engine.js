"use strict";
/* The network, complete and without a page: where a layer's window stands, which
   products make one value, and what comes out at the end. All that flows through it is
   height x width x maps, the maps of a pixel side by side; a vector is one pixel. */

const Engine = (() => {
	/* ------------------------------------------------------------ the window */

	/** How many windows stand along an axis of n values, and the pads before it. */
	function along(n, k, stride, dilation, padding, centred) {
		const span = (k - 1) * dilation;
		if (padding === "valid")
			return { count: Math.max(0, Math.floor((n - span - 1) / stride) + 1), before: 0 };
		const count = Math.ceil(n / stride);
		if (padding === "causal") return { count, before: span };
		// Keras spreads the pads that it needs; a centred window keeps every stride-th place.
		const needed = Math.max(0, (count - 1) * stride + span + 1 - n);
		return { count, before: (centred || stride === 1 ? span : needed) >> 1 };
	}

	/** The place on an axis of n that stands for place i; -1 where that is a zero. */
	function inside(i, n, border) {
		if (i >= 0 && i < n) return i;
		if (border === "constant") return -1;
		if (border === "edge") return i < 0 ? 0 : n - 1;
		if (border === "wrap") return ((i % n) + n) % n;
		const twice = border === "symmetric" ? 2 * n : Math.max(1, 2 * n - 2);
		const j = ((i % twice) + twice) % twice;
		return j < n ? j : twice - j - (border === "symmetric" ? 1 : 0);
	}

	/** The places that the cells of every window see along an axis, window by window. */
	function seen(n, layer, axis) {
		const [k, s, d] = ["size", "strides", "dilation"].map((key) => layer[key][axis]);
		const { count, before } = along(n, k, s, d, layer.padding, layer.centred);
		const found = new Int16Array(count * k);
		for (let i = 0; i < count; i++)
			for (let j = 0; j < k; j++)
				found[i * k + j] = inside(i * s + j * d - before, n, layer.border);
		return found;
	}

	/** The cells of the window at row y, column x that see something: where they look. */
	function windowAt(layer, y, x) {
		const [high, wide] = layer.size;
		const cells = [];
		for (let j = 0; j < high; j++)
			for (let i = 0; i < wide; i++) {
				const row = layer.down[y * high + j];
				const column = layer.across[x * wide + i];
				cells.push({ at: j * wide + i, row, column, outside: row < 0 || column < 0 });
			}
		return cells;
	}

	/* ------------------------------------------------------------ the layers */

	/** Sum over window and maps of value x weight, plus the bias of each filter. */
	function convolve(x, layer) {
		const [, width, maps] = x.shape;
		const [rows, columns, filters] = layer.shape;
		const [high, wide] = layer.size;
		const { kernel, bias, groups } = layer;
		const each = maps / groups; // maps that a filter sees
		const made = filters / groups; // filters that see the same maps
		const y = new Float64Array(rows * columns * filters);
		const sums = new Float64Array(filters);
		for (let row = 0, at = 0; row < rows; row++)
			for (let column = 0; column < columns; column++, at += filters) {
				if (bias) sums.set(bias);
				else sums.fill(0);
				for (let j = 0; j < high; j++)
					for (let i = 0; i < wide; i++) {
						const r = layer.down[row * high + j];
						const c = layer.across[column * wide + i];
						if (r < 0 || c < 0) continue;
						const [from, first] = [(r * width + c) * maps, (j * wide + i) * each];
						for (let m = 0; m < maps; m++) {
							const value = x.values[from + m];
							if (value === 0) continue; // most are, after a ReLU
							const group = (m / each) | 0;
							const w = (first + m - group * each) * filters;
							const end = (group + 1) * made;
							for (let f = group * made; f < end; f++) sums[f] += value * kernel[w + f];
						}
					}
				y.set(sums, at);
			}
		return y;
	}

	/** The share of a window's values that a weighted pool gives each; they add up to 1. */
	function poolWeights(layer, map) {
		const size = layer.size[0] * layer.size[1];
		if (!layer.logits) return layer.weights;
		const own = layer.own ? layer.logits.length / size : 1;
		const logits = Array.from({ length: size }, (_, i) =>
			layer.own ? layer.logits[i * own + map] : layer.logits[i],
		);
		return softmax(logits);
	}

	/** Named weights: products of one row for each axis, or a falling distance. */
	function namedWeights(name, [high, wide]) {
		const row = {
			binomial: (n) => {
				let found = [1];
				while (found.length < n)
					found = [...found, 0].map((v, i) => v + (found[i - 1] || 0));
				return found;
			},
			gaussian: (n) => {
				const sigma = 0.3 * ((n - 1) / 2 - 1) + 0.8;
				return Array.from({ length: n }, (_, i) =>
					Math.exp(-((i - (n - 1) / 2) ** 2) / (2 * sigma ** 2)),
				);
			},
		}[name];
		const found = [];
		for (let j = 0; j < high; j++)
			for (let i = 0; i < wide; i++)
				found.push(
					row
						? row(high)[j] * row(wide)[i]
						: 1 / (1 + Math.hypot(j - (high - 1) / 2, i - (wide - 1) / 2)),
				);
		return found;
	}

	/** The part that each value of a window has in the pool's, before the root of Lp. */
	function part(layer, value, n, weight) {
		if (layer.pool === "max") return value;
		if (layer.pool === "average") return value / n;
		if (layer.pool === "weighted") return value * weight;
		const power = layer.p === 2 ? value * value : Math.abs(value) ** layer.p;
		return layer.mean ? power / n : power;
	}

	/** One value of a pool: the largest part, or the sum of all, or its root. */
	function pooled(layer, values, weights) {
		const n = values.length;
		let [sum, most] = [0, -Infinity];
		for (let i = 0; i < n; i++) {
			const one = part(layer, values[i], n, weights && weights[i]);
			sum += one;
			if (one > most) most = one;
		}
		if (layer.pool === "lp")
			return layer.p === 2 ? Math.sqrt(sum) : sum ** (1 / layer.p);
		return layer.pool === "max" ? most : sum;
	}

	/** The weights of the cells inside the image: they add up to 1 at its rim too. */
	function weightsInside(layer, map, cells) {
		const weights = poolWeights(layer, map);
		const whole = cells.reduce((sum, cell) => sum + weights[cell.at], 0);
		return cells.map((cell) => weights[cell.at] / whole);
	}

	function pool(x, layer) {
		const [, width, maps] = x.shape;
		const [rows, columns] = layer.shape;
		const y = new Float64Array(rows * columns * maps);
		const weighted = layer.pool === "weighted";
		for (let row = 0, at = 0; row < rows; row++)
			for (let column = 0; column < columns; column++) {
				const cells = windowAt(layer, row, column).filter((cell) => !cell.outside);
				const first = cells.map((cell) => (cell.row * width + cell.column) * maps);
				const values = new Float64Array(first.length);
				const weights = weighted && !layer.own && weightsInside(layer, 0, cells);
				for (let m = 0; m < maps; m++, at++) {
					for (let i = 0; i < first.length; i++) values[i] = x.values[first[i] + m];
					const own = weighted && layer.own ? weightsInside(layer, m, cells) : weights;
					y[at] = pooled(layer, values, own);
				}
			}
		return y;
	}

	function softmax(logits) {
		const most = Math.max(...logits);
		const powers = Array.from(logits, (v) => Math.exp(v - most));
		const whole = powers.reduce((a, b) => a + b, 0);
		return powers.map((v) => v / whole);
	}

	const ACTIVATIONS = {
		linear: (v) => v,
		relu: (v) => Math.max(0, v),
		sigmoid: (v) => 1 / (1 + Math.exp(-v)),
		softsign: (v) => v / (1 + Math.abs(v)),
		tanh: Math.tanh,
	};

	/** The activation, in place: softmax over the maps of a pixel, others value by value. */
	function activate(values, maps, name) {
		if (name === "linear") return values;
		if (name !== "softmax") {
			const f = ACTIVATIONS[name];
			for (let i = 0; i < values.length; i++) values[i] = f(values[i]);
			return values;
		}
		for (let i = 0; i < values.length; i += maps)
			values.set(softmax(values.subarray(i, i + maps)), i);
		return values;
	}

	/* ----------------------------------------------------------- the network */

	/** A network from the page's data: shapes, places and weights are worked out once. */
	function build(data) {
		const numbers = data.weights;
		const slice = (start, length) =>
			start === null || start === undefined
				? null
				: numbers.subarray(start, start + length);
		let shape = data.input;
		const layers = data.layers.map((given) => {
			const layer = { dilation: [1, 1], border: "constant", ...given, input: shape };
			if (layer.size) {
				layer.down = seen(shape[0], layer, 0);
				layer.across = seen(shape[1], layer, 1);
				shape = [
					layer.down.length / layer.size[0],
					layer.across.length / layer.size[1],
					layer.filters || shape[2],
				];
			} else if (layer.kind === "flatten")
				shape = [1, 1, shape[0] * shape[1] * shape[2]];
			layer.shape = shape;
			if (layer.filters) {
				const window = (layer.size[0] * layer.size[1] * layer.input[2]) / layer.groups;
				layer.kernel = slice(layer.kernel, window * layer.filters);
				layer.bias = slice(layer.bias, layer.filters);
			} else if (layer.kind === "norm") {
				layer.scale = slice(layer.scale, shape[2]);
				layer.shift = slice(layer.shift, shape[2]);
			} else if (layer.pool === "weighted") {
				const size = layer.size[0] * layer.size[1];
				layer.logits = slice(layer.logits, layer.own ? size * shape[2] : size);
				if (typeof layer.weights === "string" && !layer.logits)
					layer.weights = namedWeights(layer.weights, layer.size);
			}
			return layer;
		});
		return { ...data, layers };
	}

	/** What one layer makes of x; `activation` may be left out to see the sums before. */
	function apply(layer, x, activation = layer.activation) {
		const maps = layer.shape[2];
		let values = x.values;
		if (layer.filters) values = convolve(x, layer);
		else if (layer.kind === "pool") values = pool(x, layer);
		else if (layer.kind === "norm")
			values = values.map((v, i) => v * layer.scale[i % maps] + layer.shift[i % maps]);
		else if (layer.kind === "activation") values = values.slice();
		if (activation) values = activate(values, maps, activation);
		return { shape: layer.shape, values };
	}

	/** The image and what every layer makes of it, one after the other. */
	function run(net, image) {
		const passed = [{ shape: net.input, values: image }];
		for (const layer of net.layers) passed.push(apply(layer, passed.at(-1)));
		return passed;
	}

	/** The network with another pool in place of each of its own, all else equal. */
	function withPool(net, kind) {
		const pools = {
			max: { pool: "max" },
			average: { pool: "average" },
			l2: { pool: "lp", p: 2, mean: false },
		};
		const layers = net.layers.map((layer) =>
			layer.kind === "pool" ? { ...layer, ...pools[kind] } : layer,
		);
		return { ...net, layers };
	}

	/* ----------------------------------------------- the making of one value */

	/** How the value of map m at (y, x) came about, from what the layer was given. */
	function explain(net, passed, index, y, x, m) {
		const layer = net.layers[index];
		const given = passed[index];
		const [, width, maps] = given.shape;
		const value =
			passed[index + 1].values[(y * layer.shape[1] + x) * layer.shape[2] + m];
		const look = (row, column, map) =>
			given.values[(row * width + column) * maps + map];
		if (layer.filters) {
			const each = maps / layer.groups;
			const group = Math.floor(m / (layer.filters / layer.groups));
			const terms = [];
			for (let i = 0; i < each; i++) {
				const map = group * each + i;
				const cells = windowAt(layer, y, x).map((cell) => {
					const v = cell.outside ? 0 : look(cell.row, cell.column, map);
					const weight = layer.kernel[(cell.at * each + i) * layer.filters + m];
					return { ...cell, value: v, weight, product: v * weight };
				});
				terms.push({ map, cells, sum: cells.reduce((a, cell) => a + cell.product, 0) });
			}
			const sum = terms.reduce((a, term) => a + term.sum, 0);
			const bias = layer.bias ? layer.bias[m] : 0;
			return { layer, terms, sum, bias, before: sum + bias, value };
		}
		if (layer.kind === "pool") {
			const cells = windowAt(layer, y, x).map((cell) => ({
				...cell,
				value: cell.outside ? 0 : look(cell.row, cell.column, m),
			}));
			const within = cells.filter((cell) => !cell.outside);
			const weights =
				layer.pool === "weighted" ? weightsInside(layer, m, within) : null;
			within.forEach((cell, i) => {
				if (weights) cell.weight = weights[i];
				cell.part = part(layer, cell.value, within.length, cell.weight);
			});
			const values = within.map((cell) => cell.value);
			const made = pooled(layer, values, weights);
			return { layer, cells, before: made, value };
		}
		const place = y * layer.shape[1] + x;
		const before = given.values[place * layer.shape[2] + m];
		if (layer.kind === "norm") {
			const [scale, shift] = [layer.scale[m], layer.shift[m]];
			return {
				layer,
				from: before,
				scale,
				shift,
				before: before * scale + shift,
				value,
			};
		}
		return { layer, from: before, before, value };
	}

	/** The rows and columns of an earlier layer's result that (y, x, m) depends on.
      Result 0 is the image, result i + 1 that of layer i. */
	function field(net, index, y, x, m, result) {
		let box = { top: y, bottom: y, left: x, right: x };
		for (let i = index; i >= result; i--) {
			const { kind, size, down, across, input } = net.layers[i];
			const [rows, columns, maps] = input;
			if (kind === "flatten") {
				const pixel = Math.floor(m / maps);
				const [row, column] = [Math.floor(pixel / columns), pixel % columns];
				box =
					i === index
						? { top: row, bottom: row, left: column, right: column }
						: { top: 0, bottom: rows - 1, left: 0, right: columns - 1 };
			} else if (size) {
				const reach = (table, k, from, to) => {
					const all = table
						.subarray(from * k, (to + 1) * k)
						.filter((place) => place >= 0);
					return all.length ? [Math.min(...all), Math.max(...all)] : [0, 0];
				};
				const [top, bottom] = reach(down, size[0], box.top, box.bottom);
				const [left, right] = reach(across, size[1], box.left, box.right);
				box = { top, bottom, left, right };
			}
		}
		return box;
	}

	/* ------------------------------------------------- kernels of the textbook */

	const KERNELS = {
		"Sobel x": [-1, 0, 1, -2, 0, 2, -1, 0, 1],
		"Sobel y": [-1, -2, -1, 0, 0, 0, 1, 2, 1],
		"Prewitt x": [-1, 0, 1, -1, 0, 1, -1, 0, 1],
		"Prewitt y": [-1, -1, -1, 0, 0, 0, 1, 1, 1],
		Laplace: [0, 1, 0, 1, -4, 1, 0, 1, 0],
	};

	/** Whether a network takes MNIST's images and names the digits. */
	const readsDigits = ({ input, classes, prepare = "digit" }) =>
		String(input) === "28,28,1" &&
		String(classes) === "0,1,2,3,4,5,6,7,8,9" &&
		prepare === "digit";

	/** The bytes that a text of the page's data stands for: packed, in base64. */
	async function bytes(text) {
		const letters = atob(text);
		const packed = new Uint8Array(letters.length);
		for (let i = 0; i < packed.length; i++) packed[i] = letters.charCodeAt(i);
		const unpacked = new DecompressionStream("deflate-raw");
		const stream = new Blob([packed]).stream().pipeThrough(unpacked);
		return new Uint8Array(await new Response(stream).arrayBuffer());
	}

	/** The same as float32: packed are the first bytes of all, then the second ones, and
      so on, for those are alike. */
	async function floats(text) {
		const packed = await bytes(text);
		const count = packed.length / 4;
		const found = new Uint8Array(packed.length);
		packed.forEach(
			(byte, i) => (found[4 * (i % count) + Math.floor(i / count)] = byte),
		);
		return new Float32Array(found.buffer);
	}

	return {
		...{
			KERNELS,
			activate,
			apply,
			build,
			bytes,
			explain,
			field,
			floats,
			inside,
			readsDigits,
			run,
			softmax,
		},
		...{ windowAt, withPool },
	};
})();

if (typeof module !== "undefined") module.exports = Engine;
