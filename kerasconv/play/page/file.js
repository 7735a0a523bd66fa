"use strict";
/* A dropped .keras file: a zip of config.json and model.weights.h5. Read strictly, by the
   rules of kerasconv/untrusted and kerasconv/play/convert.py: a check of every byte that
   is used, a size for every array, and one sentence for whatever is anything else. */

const KerasFile = (() => {
	class NotShown extends Error {}
	const fail = (why) => {
		throw new NotShown(why);
	};
	const MAX_BYTES = 32e6;
	const text = (bytes) => new TextDecoder("utf-8", { fatal: true }).decode(bytes);

	/* ------------------------------------------------------------- the zip */

	const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
		for (let k = 0; k < 8; k++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
		return n;
	});

	function crc(bytes) {
		let c = -1;
		for (const byte of bytes) c = TABLE[(c ^ byte) & 255] ^ (c >>> 8);
		return ~c >>> 0;
	}

	async function unpacked(bytes, size, format = "deflate-raw") {
		const stream = new Blob([bytes]).stream();
		const pipe = stream.pipeThrough(new DecompressionStream(format));
		const found = new Uint8Array(size);
		let end = 0;
		for (const reader = pipe.getReader(); ;) {
			const { done, value } = await reader.read();
			if (done) return end === size ? found : fail("it is damaged");
			if (end + value.length > size) fail("it is damaged");
			found.set(value, end);
			end += value.length;
		}
	}

	/** The members of a zip by their names, each held to its check sum. */
	async function unzip(bytes) {
		const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
		const end = bytes.length - 22;
		if (end < 0 || view.getUint32(0, true) !== 0x04034b50)
			fail("it is no .keras file, which is a zip");
		if (view.getUint32(end, true) !== 0x06054b50) fail("its end is missing");
		const count = view.getUint16(end + 10, true);
		let at = view.getUint32(end + 16, true);
		if (at + view.getUint32(end + 12, true) !== end || count > 1000)
			fail("its end is damaged");
		const members = new Map();
		let room = MAX_BYTES;
		for (let i = 0; i < count; i++) {
			if (view.getUint32(at, true) !== 0x02014b50)
				fail("its list of members is damaged");
			const [flags, method] = [
				view.getUint16(at + 8, true),
				view.getUint16(at + 10, true),
			];
			const [sum, packed, size] = [16, 20, 24].map((o) => view.getUint32(at + o, true));
			const [a, b, c] = [28, 30, 32].map((o) => view.getUint16(at + o, true));
			const head = view.getUint32(at + 42, true);
			const name = text(bytes.subarray(at + 46, at + 46 + a));
			room -= size;
			if (room < 0) fail("it unpacks to more than 32 MB");
			if (flags & 1 || (method !== 0 && method !== 8) || members.has(name))
				fail(`${name} in it is packed in an unusual way`);
			if (view.getUint32(head, true) !== 0x04034b50) fail(`${name} in it is damaged`);
			const [d, e] = [view.getUint16(head + 26, true), view.getUint16(head + 28, true)];
			const start = head + 30 + d + e;
			if (
				start + packed > end ||
				text(bytes.subarray(head + 30, head + 30 + d)) !== name
			)
				fail(`${name} in it is damaged`);
			const raw = bytes.subarray(start, start + packed);
			if (method === 0 && packed !== size) fail(`${name} in it is damaged`);
			const content = method ? await unpacked(raw, size) : raw;
			if (crc(content) !== sum)
				fail(`${name} in it is damaged (its check sum is another)`);
			members.set(name, content);
			at += 46 + a + b + c;
		}
		return members;
	}

	/* ------------------------------------------------------------ the HDF5 */

	/** Every float32 array by its place: groups in groups, and arrays stored whole, as
      they are or shuffled and deflated as one piece. */
	async function tensors(bytes) {
		const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
		const u8 = (at) => view.getUint8(at);
		const u16 = (at) => view.getUint16(at, true);
		const u32 = (at) => view.getUint32(at, true);
		const u64 = (at) => {
			const high = u32(at + 4);
			// All ones: nowhere.
			return high === 0xffffffff ? Infinity : high * 2 ** 32 + u32(at);
		};
		const damaged = () =>
			fail("its model.weights.h5 is damaged, or not as Keras writes it");
		const signed = (at, word) => {
			for (let i = 0; i < word.length; i++)
				if (u8(at + i) !== word.charCodeAt(i)) return false;
			return true;
		};
		const found = new Map();
		const waiting = [];
		let room = MAX_BYTES;
		const visited = new Set();
		const visit = (at) => {
			if (visited.has(at) || visited.size > 20000) damaged();
			visited.add(at);
		};

		/** Where each message of an object's header lies, by its number. */
		function header(address) {
			visit(address);
			if (u8(address) !== 1) damaged();
			let left = u16(address + 2);
			const blocks = [[address + 16, u32(address + 8)]];
			const messages = {};
			for (const [start, size] of blocks) {
				let at = start;
				if (start + size > bytes.length) damaged();
				while (left > 0 && at + 8 <= start + size) {
					left--;
					const [kind, length] = [u16(at), u16(at + 2)];
					if ([2, 6, 7, 10].includes(kind) || u8(at + 4) & 2) damaged();
					at += 8;
					if (kind === 16) blocks.push([u64(at), u64(at + 8)]);
					else if (kind in messages && [1, 3, 8, 11, 17].includes(kind)) damaged();
					else messages[kind] = at;
					at += length;
				}
			}
			return messages;
		}

		function object(name, address, depth) {
			if (depth > 64) damaged();
			const messages = header(address);
			if (!(17 in messages)) return array(name, messages);
			const heap = u64(messages[17] + 8);
			if (!signed(heap, "HEAP\0")) damaged();
			const names = u64(heap + 24);
			entries(u64(messages[17]), 0, (offset, child) => {
				let stop = names + offset;
				while (u8(stop)) stop++;
				const part = text(bytes.subarray(names + offset, stop));
				if (part === "" || part.includes("/")) damaged();
				object(name ? `${name}/${part}` : part, child, depth + 1);
			});
		}

		function entries(address, depth, take) {
			visit(address);
			const node = signed(address, "TREE");
			if (depth > 64 || !(node || signed(address, "SNOD"))) damaged();
			const count = u16(address + 6);
			for (let i = 0; i < count; i++)
				if (node) entries(u64(address + 32 + 16 * i), depth + 1, take);
				else if (u32(address + 24 + 40 * i) > 1) damaged();
				else take(u64(address + 8 + 40 * i), u64(address + 16 + 40 * i));
		}

		function array(name, messages) {
			if (![1, 3, 8].every((kind) => kind in messages) || found.has(name)) damaged();
			const [space, type, layout] = [messages[1], messages[3], messages[8]];
			const rank = u8(space + 1);
			const first = space + { 1: 8, 2: 4 }[u8(space)];
			const shape = Array.from({ length: rank }, (_, i) => u64(first + 8 * i));
			// Class 1, little-endian, four bytes of the IEEE's making.
			const float = (u8(type) & 15) === 1 && u32(type + 4) === 4 && u8(type + 1) === 32;
			if (u8(layout) !== 3 || rank > 8) damaged();
			if (11 in messages) return deflated(name, messages, shape, u32(type + 4), float);
			const whole = u8(layout + 1) === 1;
			if (!whole && u8(layout + 1) !== 0) damaged();
			const start = whole ? u64(layout + 2) : layout + 4;
			const size = whole ? u64(layout + 10) : u16(layout + 2);
			const count = shape.reduce((a, b) => a * b, 1);
			if (float && size !== 4 * count) damaged();
			if (size && start + size > bytes.length) damaged();
			// What is not float32 (the optimizer's count of steps, say) has only its shape.
			const values = float
				? Float32Array.from({ length: count }, (_, i) =>
						view.getFloat32(start + 4 * i, true),
					)
				: null;
			found.set(name, { shape, values });
		}

		/** An array whose only piece went through the filters 2, shuffle, and 1, deflate. */
		function deflated(name, messages, shape, bytesEach, float) {
			const [pipeline, layout] = [messages[11], messages[8]];
			const filters = [0, 8, 14, 16, 24, 32, 38, 40].map((at) => u16(pipeline + at));
			const known = [0x0201, 2, 1, 0x6873, bytesEach, 1, 1, 0x6564];
			if (filters.some((n, i) => n !== known[i])) damaged();
			const dims = [...shape, bytesEach];
			if (u8(layout + 1) !== 2 || u8(layout + 2) !== dims.length) damaged();
			if (dims.some((n, i) => n !== u32(layout + 11 + 4 * i))) damaged();
			const tree = u64(layout + 3);
			visit(tree);
			// One entry, of a whole piece at the corner.
			if (!signed(tree, "TREE\x01\0\x01\0") || u32(tree + 28)) damaged();
			if (dims.some((_, i) => u64(tree + 32 + 8 * i))) damaged();
			const [start, stored] = [u64(tree + 32 + 8 * dims.length), u32(tree + 24)];
			const count = shape.reduce((a, b) => a * b, 1);
			room -= bytesEach * count;
			if (start + stored > bytes.length || !(room >= 0)) damaged();
			found.set(name, { shape, values: null });
			if (!float) return;
			waiting.push(async () => {
				const piece = bytes.subarray(start, start + stored);
				const planes = await unpacked(piece, 4 * count, "deflate");
				const mixed = new DataView(new ArrayBuffer(4 * count));
				for (let i = 0; i < 4 * count; i++)
					mixed.setUint8(4 * (i % count) + Math.floor(i / count), planes[i]);
				found.get(name).values = Float32Array.from({ length: count }, (_, i) =>
					mixed.getFloat32(4 * i, true),
				);
			});
		}

		try {
			if (!signed(0, "\x89HDF\r\n\x1a\n") || u64(40) !== bytes.length) damaged();
			if (u32(8) || u32(12) !== 0x00080800) damaged();
			object("", u64(64), 0);
			for (const unpack of waiting) await unpack();
		} catch (error) {
			throw error instanceof NotShown ? error : damaged();
		}
		return found;
	}

	/* -------------------------------------------------------- the network */

	const [MAX_SIDE, MAX_CHANNELS, MAX_WEIGHTS] = [64, 3, 4e6];
	const STORED = {
		BatchNormalization: "batch_normalization",
		Conv2D: "conv2d",
		Dense: "dense",
		WeightedPool: "weighted_pool",
	};
	const ACTIVATIONS = ["linear", "relu", "sigmoid", "softmax", "softsign", "tanh"];
	const BORDERS = ["constant", "edge", "reflect", "symmetric", "wrap"];
	const isCount = (n, most) => Number.isInteger(n) && n >= 1 && n <= most;
	const product = (list) => list.reduce((a, b) => a * b, 1);

	function pair(value) {
		const found = Array.isArray(value) ? value : [value, value];
		if (found.length !== 2 || !found.every((n) => isCount(n, MAX_SIDE)))
			fail("has a window of an unusual size");
		return found;
	}

	function choice(value, known, what) {
		return known.includes(value) ? value : fail(`has the ${what} ${value}`);
	}

	const activation = (c) => choice(c.activation ?? "linear", ACTIVATIONS, "activation");
	const padding = (c) => choice(c.padding ?? "valid", ["valid", "same"], "padding");
	const pool = (kind, c) => ({
		kind: "pool",
		pool: kind,
		size: pair(c.pool_size),
		strides: pair(c.strides ?? c.pool_size),
		padding: padding(c),
	});
	const pixelwise = {
		size: [1, 1],
		strides: [1, 1],
		dilation: [1, 1],
		padding: "valid",
		border: "constant",
		centred: false,
		groups: 1,
	};

	/** What each layer becomes: from its configuration c, its input's shape, and a
      function that stores one of its arrays and says where. */
	const LAYERS = {
		Conv2D(c, shape, store) {
			const [filters, groups] = [c.filters, c.groups ?? 1];
			if (!isCount(filters, MAX_WEIGHTS) || !isCount(groups, MAX_WEIGHTS))
				fail("has no number of filters");
			if (shape[2] % groups || filters % groups) fail("has groups that do not fit");
			const [size, each] = [pair(c.kernel_size), shape[2] / groups];
			return {
				kind: "conv",
				size,
				strides: pair(c.strides ?? 1),
				dilation: pair(c.dilation_rate ?? 1),
				padding: padding(c),
				border: "constant",
				centred: false,
				groups,
				filters,
				activation: activation(c),
				kernel: store(0, [...size, each, filters]),
				bias: (c.use_bias ?? true) ? store(1, [filters]) : null,
			};
		},
		FixedConv(c, shape, store) {
			let kernels = Array.isArray(c.kernels) ? c.kernels : [[[]]];
			if (!Array.isArray(kernels[0]?.[0])) kernels = [kernels];
			const [high, wide] = [kernels[0].length, kernels[0][0]?.length];
			pair([high, wide]);
			choice(c.output, ["components"], "output");
			const spread = [];
			for (let j = 0; j < high; j++)
				for (let i = 0; i < wide; i++)
					for (let m = 0; m < shape[2]; m++)
						for (const kernel of kernels) spread.push(Number(kernel[j]?.[i]));
			return {
				kind: "conv",
				size: [high, wide],
				strides: pair(c.strides ?? 1),
				dilation: pair(c.dilation_rate ?? 1),
				padding: padding(c),
				border: choice(c.border_mode, BORDERS, "border"),
				centred: true,
				groups: shape[2],
				filters: kernels.length * shape[2],
				activation: "linear",
				kernel: store.values(spread),
				bias: null,
			};
		},
		Dense(c, shape, store) {
			if (!isCount(c.units, MAX_WEIGHTS)) fail("has no number of units");
			return {
				// On a map it is a convolution of one pixel.
				kind: shape[0] === 1 && shape[1] === 1 ? "dense" : "conv",
				...pixelwise,
				filters: c.units,
				activation: activation(c),
				kernel: store(0, [shape[2], c.units]),
				bias: (c.use_bias ?? true) ? store(1, [c.units]) : null,
			};
		},
		MaxPooling2D: (c) => pool("max", c),
		AveragePooling2D: (c) => pool("average", c),
		GlobalMaxPooling2D: (c, shape) => pool("max", { pool_size: shape.slice(0, 2) }),
		GlobalAveragePooling2D: (c, shape) =>
			pool("average", { pool_size: shape.slice(0, 2) }),
		LpPool(c) {
			const p = c.p ?? 2;
			if (!(p >= 1 && p < 100)) fail("has an unusual order");
			return { ...pool("lp", c), p, mean: c.mean === true };
		},
		L2Pool: (c) => LAYERS.LpPool(c),
		WeightedPool(c, shape, store) {
			const made = pool("weighted", c);
			const [count, own] = [product(made.size), c.per_channel === true];
			let [weights, logits] = [c.weights, null];
			if (weights === "learned") logits = store(0, own ? [count, shape[2]] : [count]);
			else if (Array.isArray(weights)) {
				weights = weights.flat();
				if (weights.length !== count) fail("has weights that do not fit its window");
			} else choice(weights, ["binomial", "gaussian", "inverse_distance"], "weights");
			return { ...made, weights, logits, own };
		},
		BatchNormalization(c, shape, store) {
			choice([c.axis ?? -1].flat()[0], [-1, 3], "axis");
			const maps = shape[2];
			const [scales, centres] = [c.scale ?? true, c.center ?? true];
			let at = 0;
			const next = () => store.read(at++, [maps]);
			const gamma = scales ? next() : new Float32Array(maps).fill(1);
			const beta = centres ? next() : new Float32Array(maps);
			const [mean, variance] = [next(), next()];
			const scale = Array.from(gamma, (g, i) => g / Math.sqrt(variance[i] + c.epsilon));
			return {
				kind: "norm",
				scale: store.values(scale),
				shift: store.values(scale.map((s, i) => beta[i] - mean[i] * s)),
			};
		},
		ReLU(c) {
			if (c.max_value || c.negative_slope || c.threshold)
				fail("is a ReLU with a slope, a threshold or a limit");
			return { kind: "activation", activation: "relu" };
		},
		Softmax(c) {
			choice([c.axis ?? -1].flat()[0], [-1], "axis");
			return { kind: "activation", activation: "softmax" };
		},
		Activation: (c) => ({ kind: "activation", activation: activation(c) }),
		Flatten: () => ({ kind: "flatten" }),
		Dropout: () => ({ kind: "dropout" }),
	};

	/** The input's shape, and the layers one after another. */
	function chain(config) {
		const { class_name: kind, build_config: built } = config;
		let layers = config.config?.layers;
		if (!["Sequential", "Functional"].includes(kind) || !layers?.length)
			fail(`it is a model of the kind ${kind}`);
		let shape = built?.input_shape;
		if (layers[0].class_name === "InputLayer") {
			shape = layers[0].config.batch_shape;
			for (let i = 1; kind === "Functional" && i < layers.length; i++) {
				const nodes = layers[i].inbound_nodes;
				const args = nodes?.length === 1 ? nodes[0].args : [];
				const source = args?.length === 1 && args[0].config?.keras_history?.[0];
				if (source !== layers[i - 1].name) fail("its layers are not one chain");
			}
			layers = layers.slice(1);
		}
		if (shape?.length !== 4 || !shape.slice(1).every((n) => isCount(n, Infinity)))
			fail("it does not take images of a fixed size");
		const [, high, wide, deep] = shape;
		if (high > MAX_SIDE || wide > MAX_SIDE || deep > MAX_CHANNELS)
			fail(`it takes images of ${high}x${wide}x${deep}`);
		return [shape.slice(1), layers];
	}

	/** The layer's output shape, by the same counting as the engine's. */
	function output(made, shape) {
		if (made.kind === "flatten") return [1, 1, product(shape)];
		if (!made.size) return shape;
		const [high, wide] = made.size.map((k, axis) => {
			const reach = (k - 1) * (made.dilation?.[axis] ?? 1);
			const room = made.padding === "valid" ? shape[axis] - reach : shape[axis];
			if (room < 1) fail("has a window that is larger than its input");
			return Math.floor((room - 1) / made.strides[axis]) + 1;
		});
		return [high, wide, made.filters ?? shape[2]];
	}

	/** The page's plain data of a network, from a configuration and its arrays. */
	function convert(config, stored, name) {
		const start = chain(config)[0];
		let shape = start;
		const [layers, weights, used] = [[], [], {}];
		let products = 0;
		for (const { class_name: kind, config: c } of chain(config)[1]) {
			const where = `its layer "${c?.name}"`;
			if (!Object.hasOwn(LAYERS, kind)) fail(`${where} is of the kind ${kind}`);
			const place = STORED[kind];
			const number = (used[place] = (used[place] ?? -1) + 1);
			const read = (i, wanted) => {
				const path = `layers/${place}${number ? `_${number}` : ""}/vars/${i}`;
				const found = stored.get(path);
				if (!found?.values || String(found.shape) !== String(wanted))
					fail(`does not store ${path} as float32 of shape ${wanted.join("x")}`);
				return found.values;
			};
			const values = (list) => {
				const at = weights.length;
				for (const v of list) weights.push(Math.fround(v));
				if (!weights.slice(at).every(Number.isFinite))
					fail("has weights that are no finite numbers");
				return at;
			};
			const store = Object.assign((i, wanted) => values(read(i, wanted)), {
				read,
				values,
			});
			let each = shape[2];
			try {
				if ((c.data_format ?? "channels_last") !== "channels_last")
					fail("has the channels first");
				const made = LAYERS[kind](c, shape, store);
				each = made.filters ? shape[2] / made.groups : 1;
				shape = output(made, shape);
				layers.push({ name: c.name, ...made });
				products += product(shape) * product(made.size ?? [0]) * each;
			} catch (error) {
				throw error instanceof NotShown
					? new NotShown(`${where} ${error.message}`)
					: error;
			}
			if (product(shape) > 1e6 || weights.length > MAX_WEIGHTS || products > 5e8)
				fail("it is too large to be computed in a page");
		}
		if (!layers.length) fail("it has no layers");
		return {
			name,
			classes: Array.from({ length: shape[2] }, (_, i) => String(i)),
			input: start,
			layers,
			weights: Float32Array.from(weights),
		};
	}

	/** A network from a .keras file (a Blob); else an error of one sentence. */
	async function read(file, name) {
		try {
			if (file.size > MAX_BYTES) fail("it has more than 32 MB");
			if (typeof DecompressionStream === "undefined")
				fail("this browser is too old to unpack it");
			const members = await unzip(new Uint8Array(await file.arrayBuffer()));
			const [config, weights] = ["config.json", "model.weights.h5"].map(
				(file) => members.get(file) ?? fail(`it has no ${file}`),
			);
			return convert(JSON.parse(text(config)), await tensors(weights.slice()), name);
		} catch (error) {
			const why = error instanceof NotShown ? error.message : "it is damaged";
			throw new NotShown(
				`${name} cannot be shown: ${why}. The page takes chains of Conv2D, FixedConv, ` +
					"pools, BatchNormalization, Flatten, Dropout, Dense, ReLU and softmax, on " +
					"images of up to 64x64x3.",
			);
		}
	}

	return { read };
})();

if (typeof module !== "undefined") module.exports = KerasFile;
