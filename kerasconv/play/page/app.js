"use strict";
/* The page: its state, which the address holds, and what follows when it changes. */

(() => {
	const { element, frame, short, write } = Draw;
	const $ = (id) => document.getElementById(id);
	if (typeof DATA === "undefined") {
		$("old").style.animation = "none";
		$("old").textContent =
			"This page has no networks beside it: kerasconv play makes it whole.";
		return;
	}

	const POOLED = "mnist_cnn/"; // the network that has weights for every kind of pooling
	const state = {
		net: DATA.first,
		pool: "",
		digit: 18,
		layer: 0,
		map: 0,
		at: [12, 12],
	};
	let base = null; // as loaded
	let net = null; // with the reader's kernels and pools
	let passed = null;
	let term = null; // of the maps that the layer is given, the one looked at
	let run = 0;

	/* ---------------------------------------------------------------- loading */

	const scripts = {};
	/** Loads scripts once each, in this order: the only way to data that works from the
      disk too. */
	function load(...files) {
		for (const file of files)
			scripts[file] ??= new Promise((resolve, reject) => {
				const script = element("script", {
					src: file,
					onload: resolve,
					onerror: reject,
				});
				script.async = false;
				document.head.append(script);
			});
		return Promise.all(files.map((file) => scripts[file]));
	}

	async function network(name) {
		if (!DATA.loaded[name]) await load(DATA.networks[name]);
		const given = DATA.loaded[name];
		if (typeof given.weights === "string")
			given.weights = await Engine.floats(given.weights);
		return Engine.build(given);
	}

	const say = (text) => ($("said").textContent = text);

	/* ---------------------------------------------------------------- the page */

	const OWN = "Your own drawing or picture";
	let told = OWN; // what is shown, where it is no test digit

	const pad = Draw.pad($("pad"), () => {
		state.digit = null;
		told = OWN;
		changed();
	});

	/** The kernels or the image changed: computes and shows all anew. */
	function changed() {
		const began = performance.now();
		passed = Engine.run(net, pad.values());
		const took = performance.now() - began;
		Maps.draw(passed);
		answer();
		look();
		const drawn = performance.now() - began;
		document.body.dataset.ms = `${took.toFixed(1)} ${drawn.toFixed(1)}`;
		const label = state.digit === null ? null : DATA.digits.labels[state.digit];
		$("what").textContent =
      label === null ? told : `Test digit ${state.digit}: a ${label}`; // prettier-ignore
		address();
	}

	function answer() {
		const { shape, values } = passed.at(-1);
		const list = $("answers");
		if (shape[0] * shape[1] !== 1) return list.replaceChildren();
		const last = net.layers.at(-1).activation;
		const shares = ["softmax", "sigmoid"].includes(last)
			? values
			: Engine.softmax(values);
		const best = shares.indexOf(Math.max(...shares));
		if (list.children.length !== values.length)
			list.replaceChildren(
				...net.classes.map(
					(name, i) =>
          element("li", {}, element("button", { onclick: () => choose(net.layers.length - 1, 0, 0, i) }, element("b", {}, name), element("span", { class: "bar" }, element("i")), element("span", { class: "share" }))), // prettier-ignore
				),
			);
		[...list.children].forEach((item, i) => {
			const [, bar, share] = item.firstChild.children;
			item.classList.toggle("best", i === best);
			bar.firstChild.style.width = `${100 * shares[i]}%`;
			write(share, shares === values ? `${(100 * shares[i]).toFixed(1)} %` : short(values[i])); // prettier-ignore
		});
	}

	/** Shows the chosen value: in the microscope, in the maps, and on the image. */
	function look() {
		const layer = net.layers[state.layer];
		const [high, wide, maps] = layer.shape;
		const within = (v, n) => Math.min(Math.max(0, v || 0), n - 1);
		state.map = within(state.map, maps);
		const [y, x] = (state.at = [within(state.at[0], high), within(state.at[1], wide)]);
		const told = Engine.explain(net, passed, state.layer, y, x, state.map);
		const { terms } = told;
		if (terms && term === null) {
			const parts = terms.map((one) => Math.abs(one.sum));
			term = parts.indexOf(Math.max(...parts));
		}
		if (terms) term = within(term, terms.length);
		const place = high * wide > 1 ? `map ${state.map}, row ${y}, column ${x}` : `${state.layer === net.layers.length - 1 ? net.classes[state.map] : `number ${state.map}`}`; // prettier-ignore
		$("at").textContent = `${Maps.title(layer, state.layer)}: ${place}`;
		Microscope.show($("slide"), told, { ...state, term }, pick, edit, name);
		// The window lies in the last layer before that has maps.
		let before = state.layer - 1;
		while (before >= 0 && ["flatten", "dropout"].includes(net.layers[before].kind))
			before--;
		const field = (result) => Engine.field(net, state.layer, y, x, state.map, result);
		const seen = terms && layer.kind !== "dense" ? terms[term].map : state.map;
		const window = layer.kind === "dense" ? null : field(before + 1);
		Maps.select(state, window && { ...window }, seen, before);
		const box = field(0);
		const [rows, columns] = net.input;
		frame($("field"), true, box.left / columns, box.top / rows, (box.right - box.left + 1) / columns, (box.bottom - box.top + 1) / rows); // prettier-ignore
	}

	function choose(layer, y, x, map) {
		if (layer !== state.layer || map !== state.map) term = null;
		Object.assign(state, { layer, map, at: [y, x] });
		document.body.classList.add("open");
		look();
		address();
	}

	function pick(chosen) {
		term = chosen;
		look();
	}

	/** What number i of a vector was: a place in the maps before they were flattened. */
	function name(i) {
		let before = state.layer - 1;
		while (before >= 0 && !["flatten", "dense"].includes(net.layers[before].kind))
			before--;
		if (before < 0 || net.layers[before].kind === "dense") return `number ${i}`;
		const [, wide, maps] = net.layers[before].input;
		const pixel = Math.floor(i / maps);
		return `map ${i % maps}, row ${Math.floor(pixel / wide)}, col ${pixel % wide}`;
	}

	const edit = {
		/** Changes weight `at` of the window for one of the maps that the layer is given. */
		weight(map, at, value) {
			const layer = own();
			layer.kernel[index(layer, map, at)] = value;
			recount();
		},
		/** Puts nine numbers in place of a kernel; null brings the learned ones back. */
		kernel(map, numbers) {
			const layer = own();
			const learned = base.layers[state.layer].kernel;
			for (let at = 0; at < 9; at++) {
				const i = index(layer, map, at);
				layer.kernel[i] = numbers ? numbers[at] : learned[i];
			}
			recount();
		},
	};

	function index(layer, map, at) {
		const each = layer.input[2] / layer.groups;
		return (at * each + (map % each)) * layer.filters + state.map;
	}

	/** The chosen layer with a kernel of its own to change. */
	function own() {
		const layers = [...net.layers];
		const layer = layers[state.layer];
		if (layer.kernel === base.layers[state.layer].kernel)
			layers[state.layer] = { ...layer, kernel: layer.kernel.slice() };
		net = { ...net, layers };
		return layers[state.layer];
	}

	function recount() {
		changed();
		score();
	}

	/** How many of the test digits the network reads, counted while nothing else is due. */
	function score() {
		const mine = ++run;
		$("score").textContent = "";
		if (!Engine.readsDigits(net)) return;
		let [right, i] = [0, 0];
		const step = () => {
			if (mine !== run) return;
			for (const end = i + 8; i < end; i++) {
				const { values } = Engine.run(net, digit(i)).at(-1);
				if (values.indexOf(Math.max(...values)) === DATA.digits.labels[i]) right++;
			}
			if (i < 64) setTimeout(step);
			else $("score").textContent = `It reads ${right} of the 64 test digits.`;
		};
		setTimeout(step);
	}

	/* --------------------------------------------------------------- the input */

	/** Test digit i as the network takes it: the same pixels, or resized to its image. */
	function digit(i) {
		const grey = Float32Array.from(
			DATA.digits.pixels.subarray(784 * i, 784 * (i + 1)),
			(v) => v / 255,
		);
		const [high, wide, maps] = net.input;
		const fits = high === 28 && wide === 28;
		const image = fits ? grey : nearest(grey, high, wide);
		return Float32Array.from({ length: high * wide * maps }, (_, k) => image[Math.floor(k / maps)]); // prettier-ignore
	}

	const nearest = (grey, high, wide) =>
		Float32Array.from({ length: high * wide }, (_, k) => {
			const [y, x] = [Math.floor(k / wide), k % wide];
			return grey[Math.floor((28 * y) / high) * 28 + Math.floor((28 * x) / wide)];
		});

	function show(image, what = OWN) {
		told = what;
		if (what === OWN) $("found").hidden = true;
		pad.show(image, net.input);
		changed();
	}

	function showDigit(i) {
		state.digit = i;
		show(digit(i));
	}

	const blank = () => new Float32Array(net.input.reduce((a, b) => a * b));

	/** What the reader brings: a network to look into, or a picture to read. */
	async function opened(file) {
		await load("own.js");
		const take = (image, what) => {
			state.digit = null;
			show(image, what);
		};
		const look = (name) => use(Object.assign(state, { net: name, pool: "" }));
		try {
			say(await Own.open(file, net, { load, look, take, choice: $("found") }));
		} catch (error) {
			say(error.message);
		}
	}

	/* ----------------------------------------------------- networks and pools */

	/** Makes the network that the state names the page's own. */
	async function use() {
		const [how, kind] = state.pool.split("/");
		const source = how === "trained" ? POOLED + kind : state.net;
		base = await network(source);
		if (how === "same") base = Engine.withPool(base, kind);
		const before = net;
		net = base;
		const [high, wide] = net.input;
		const shape = Math.min(Math.max(1 / 4, wide / high), 4);
		$("pad").style = `aspect-ratio:${shape}; width:min(100%, ${100 * shape}%)`;
		$("count").textContent = base.weights.length.toLocaleString("en");
		choices();
		if (
			!before ||
			String(before.layers.map((l) => [l.kind, l.shape])) !==
				String(net.layers.map((l) => [l.kind, l.shape]))
		) {
			Maps.build($("layers"), net, choose);
			const shown = net.layers[state.layer];
			if (!shown || ["flatten", "dropout"].includes(shown.kind)) state.layer = 0;
		} else Maps.retitle(net);
		if (state.digit !== null) showDigit(state.digit);
		else if (before && String(before.input) === String(net.input))
			show(pad.values(), told);
		else show(blank());
		score();
	}

	function choices() {
		const names = Object.keys(DATA.networks).filter(
			(name) =>
				!/^mnist_cnn\/(max|average|l2|weighted)$/.test(name) || name === DATA.first,
		);
		$("network").replaceChildren(
			...names.map((name) => element("option", { value: name, selected: name === state.net }, name)), // prettier-ignore
		);
		const option = (value, text) =>
			element("option", { value, selected: value === state.pool }, text);
		const group = (label, how, kinds) =>
      element("optgroup", { label }, ...kinds.map(([kind, text]) => option(`${how}/${kind}`, text))); // prettier-ignore
		const kinds = [["max", "max"], ["average", "average"], ["l2", "L2"]]; // prettier-ignore
		const trained = `${POOLED}mnist` === state.net;
		$("pool").replaceChildren(
			option("", "as trained"),
			group("the same weights", "same", kinds),
			...(trained ? [group("weights trained with it", "trained", [...kinds, ["weighted", "weighted"]])] : []), // prettier-ignore
		);
		$("pool").disabled = !base.layers.some((layer) => layer.kind === "pool");
	}

	/* ------------------------------------------------------------ the address */

	let written = "";
	function address() {
		const { layer, map, at, digit: shown, net: name, pool } = state;
		const parts = shown === null ? [] : [`digit=${shown}`];
		parts.push(`layer=${layer}`, `map=${map}`);
		const [high, wide] = net.layers[layer].shape;
		if (high * wide > 1) parts.push(`at=${at.join()}`);
		if (name !== DATA.first) parts.push(`net=${encodeURIComponent(name)}`);
		if (pool) parts.push(`pool=${pool}`);
		written = `#${parts.join("&")}`;
		history.replaceState(null, "", written);
	}

	/** The state that an address asks for; what it does not name, or wrongly, stays. */
	function asked() {
		term = null;
		const given = new URLSearchParams(location.hash.slice(1));
		const number = (key, most) => {
			const text = given.get(key);
			return /^\d{1,4}$/.test(text ?? "") && Number(text) <= most
				? Number(text)
				: state[key];
		};
		state.digit = number("digit", 63);
		state.layer = number("layer", 999);
		state.map = number("map", 9999);
		const at = /^(\d{1,3}),(\d{1,3})$/.exec(given.get("at") ?? "");
		if (at) state.at = [Number(at[1]), Number(at[2])];
		if (Object.hasOwn(DATA.networks, given.get("net") ?? ""))
			state.net = given.get("net");
		const pool = given.get("pool") ?? "";
		state.pool = /^(same\/(max|average|l2)|trained\/(max|average|l2|weighted))$/.test(pool) ? pool : ""; // prettier-ignore
		if (state.pool.startsWith("trained") && state.net !== `${POOLED}mnist`)
			state.pool = "";
	}

	/* ------------------------------------------------------------- the controls */

	function controls() {
		const on = (id, act, event = "click") => $(id).addEventListener(event, act);
		on("erase", () => {
			pad.erasing = !pad.erasing;
			$("erase").setAttribute("aria-pressed", String(pad.erasing));
		});
		on("clear", () => {
			state.digit = null;
			show(blank());
		});
		on("centre", async () => {
			await load("raster.js", "prepare.js");
			const fits = String(net.input) === "28,28,1";
			const centred = fits && Prepare.digit(Raster.image(28, 28, pad.values()));
			if (!centred) return;
			state.digit = null;
			show(centred);
		});
		on("next", () => showDigit(((state.digit ?? -1) + 1) % 64));
		on("choose", async () => {
			await load("own.js");
			Own.gallery($("digits"), DATA.digits, showDigit);
		});
		const file = $("file");
		const ask = (accept) => () => {
			file.accept = accept;
			file.click();
		};
		on("picture", ask("image/*"));
		on("keras", ask(".keras"));
		on("file", () => file.files[0] && opened(file.files[0]).then(() => (file.value = "")), "change"); // prettier-ignore
		on("network", () => Object.assign(state, { net: $("network").value, pool: "" }) && use(), "change"); // prettier-ignore
		on("pool", () => (state.pool = $("pool").value, use()), "change"); // prettier-ignore
		on("fold", () => document.body.classList.toggle("open"));
		addEventListener("dragover", (event) => event.preventDefault());
		addEventListener("drop", (event) => {
			event.preventDefault();
			if (event.dataTransfer.files[0]) opened(event.dataTransfer.files[0]);
		});
		new ResizeObserver(() => {
			if (!Maps.measure()) return;
			Maps.draw(passed);
			look();
		}).observe($("layers"));
		addEventListener("hashchange", () => {
			if (location.hash === written || !location.hash.includes("=")) return;
			asked();
			use();
		});
	}

	async function start() {
		await load("data/digits.js", DATA.networks[DATA.first]);
		DATA.digits.pixels = await Engine.bytes(DATA.digits.images);
		asked();
		await use();
		controls();
		$("old").hidden = true;
		document.body.dataset.ready = performance.now().toFixed(0);
	}

	start();
})();
