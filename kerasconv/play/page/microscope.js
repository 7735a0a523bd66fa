"use strict";
/* The microscope: how one value was made, number by number. */

const Microscope = (() => {
	const { element, short, tint, write } = Draw;
	const sign = (v) => (v < 0 ? "−" : "+");
	const size = (cells) => Math.max(...cells.map(Math.abs), 1e-9);

	let now = null; // what the fields and buttons act on: they outlive what they show
	const kept = {};

	/** The node of this name and shape that was made before, or a new one: fields and
      buttons that are put in anew are dear to style and to lay out. */
	function keep(name, shape, make) {
		if (kept[name]?.shape !== shape) kept[name] = { shape, node: make() };
		return kept[name].node;
	}

	/** A grid of numbers; `made` makes the content of each, or the number itself. */
	function grid(label, numbers, wide, made = null) {
		const box = element("div", { class: "grid", role: "group", "aria-label": label, style: `--wide:${wide}` }); // prettier-ignore
		box.append(...numbers.map((v, i) => element("span", {}, made ? made(v, i) : "")));
		const figure = element("figure", {}, box, element("figcaption", {}, label));
		fill(figure, numbers, made ? null : short);
		return figure;
	}

	/** Tints the cells of a grid, and writes what `text` says of each, in fields as well. */
	function fill(figure, numbers, text) {
		const most = size(numbers);
		[...figure.firstChild.children].forEach((cell, i) => {
			const style = tint(numbers[i], most);
			if (cell.getAttribute("style") !== style) cell.setAttribute("style", style);
			if (!text) return;
			const shown = text(numbers[i], i);
			if (cell.firstElementChild) cell.firstElementChild.value = shown;
			else write(cell, shown);
		});
	}

	const line = (...parts) => element("p", { class: "sum" }, ...parts);

	function activated(told, name) {
		const { before, value } = told;
		if (name === "softmax")
			return line(
				`softmax: e^${short(before)} ÷ the sum of all e^logit = `,
				element("b", {}, `${(100 * value).toFixed(1)} %`),
			);
		if (!name || name === "linear") return null;
		return line(`${name === "relu" ? "ReLU" : name} ${short(before)} → `, element("b", {}, short(value))); // prettier-ignore
	}

	/** Window x kernel = products, for one map of those that the layer is given. */
	function products({ cells }, layer) {
		const wide = layer.size[1];
		const [values, weights, parts] = ["value", "weight", "product"].map((key) =>
			cells.map((cell) => cell[key]),
		);
		const field = (_, i) =>
			element("input", {
				inputmode: "text",
				size: 3,
				"aria-label": `weight, row ${Math.floor(i / wide)}, column ${i % wide}`,
				"data-key": `w${i}`,
				onchange(event) {
					const typed = Number(event.target.value.replace("−", "-").replace(",", "."));
					const { weight, at } = now.term.cells[i];
					now.edit.weight(now.term.map, at, Number.isFinite(typed) ? typed : weight);
				},
			});
		const slide = keep("products", `${wide},${cells.length}`, () =>
			element(
				"div",
				{ class: `slide wide${wide > 3 ? " large" : ""}` },
				grid("window", values, wide),
				element("span", { class: "op" }, "×"),
				grid("kernel", weights, wide, wide > 3 ? null : field),
				element("span", { class: "op" }, "="),
				grid("products", parts, wide),
			),
		);
		const [window, , kernel, , product] = slide.children;
		fill(window, values, (v, i) => (cells[i].outside ? "·" : short(v)));
		fill(kernel, weights, short);
		fill(product, parts, short);
		return slide;
	}

	function kernels() {
		const button = (key, text, numbers) =>
			element("button", { "data-key": key, onclick: () => now.edit.kernel(now.term.map, numbers) }, text); // prettier-ignore
		return keep("kernels", "", () =>
			element(
				"div",
				{ class: "buttons" },
				...Object.entries(Engine.KERNELS).map(([name, numbers]) => button(name, name, numbers)), // prettier-ignore
				button("learned", "Learned", null),
			),
		);
	}

	/** The part of each input map as a bar: up is more, down is less. */
	function bars(terms, chosen, pick) {
		const most = size(terms.map((term) => term.sum));
		const button = (_, i) =>
			element(
				"button",
				{
					"data-key": `b${i}`,
					onclick: () => pick(i),
					onkeydown(event) {
						const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
						if (!step) return;
						event.preventDefault();
						const next = (i + step + terms.length) % terms.length;
						box.children[next].focus();
						pick(next);
					},
				},
				element("i"),
			);
		const named = { class: "bars", role: "group", "aria-label": "Contribution of each map" }; // prettier-ignore
		const box = keep("bars", terms.length, () =>
			element("div", named, ...terms.map(button)),
		);
		terms.forEach((term, i) => {
			const it = box.children[i];
			it.setAttribute("aria-label", `map ${term.map}: ${short(term.sum)}`);
			it.setAttribute("aria-pressed", String(i === chosen));
			it.tabIndex = i === chosen ? 0 : -1;
			it.firstChild.className = term.sum < 0 ? "less" : "more";
			it.firstChild.style.height = `${(50 * Math.abs(term.sum)) / most}%`;
		});
		return box;
	}

	function convolution(told, term, pick) {
		const { layer, terms, sum, bias, before } = told;
		const cells = layer.size[0] * layer.size[1];
		const count = cells * terms.length;
		const parts = [];
		if (terms.length > 1) {
			const each = `${cells} from each of ${terms.length} maps`;
			parts.push(
				element(
					"p",
					{},
					`${count} products, ${each}. Choose a map; type in a kernel to change it.`,
				),
			);
			parts.push(bars(terms, term, pick));
			parts.push(element("p", {}, `from map ${terms[term].map}: ${short(terms[term].sum)}`)); // prettier-ignore
		}
		parts.push(products(terms[term], layer));
		const all = terms.length > 1 ? `sum of all ${count}` : "sum";
		const added = layer.bias ? ` ${sign(bias)} bias ${short(Math.abs(bias))}` : "";
		parts.push(line(`${all} ${short(sum)}${added} = ${short(before)}`));
		parts.push(activated(told, layer.activation));
		if (cells === 9) parts.push(kernels());
		return parts;
	}

	function pool(told) {
		const { layer, cells, value } = told;
		const wide = layer.size[1];
		const values = cells.map((cell) => cell.value);
		const within = cells.filter((cell) => !cell.outside);
		const most = Math.max(...within.map((cell) => cell.value));
		const wins = (cell) => layer.pool === "max" && !cell.outside && cell.value === most;
		const window = grid("window", values, wide, (v, i) =>
			cells[i].outside ? "·" : wins(cells[i]) ? element("b", {}, short(v)) : short(v),
		);
		const slide = element("div", { class: `slide${wide > 3 ? " large" : ""}` }, window);
		const n = within.length;
		const shown = element("b", {}, short(value));
		const weights = (share) => {
			slide.append(
				element("span", { class: "op" }, "×"),
				grid("weights", cells.map(share), wide),
				element("span", { class: "op" }, "="),
				grid("parts", cells.map((cell) => cell.part || 0), wide), // prettier-ignore
			);
		};
		let says = line(`the largest of ${n} → `, shown);
		if (layer.pool === "average") {
			weights((cell) => (cell.outside ? 0 : 1 / n));
			says = line("sum of the parts = the average → ", shown);
		} else if (layer.pool === "weighted") {
			weights((cell) => cell.weight || 0);
			says = line("sum of the parts, weights adding up to 1 → ", shown);
		} else if (layer.pool === "lp") {
			slide.append(
				element("span", { class: "op" }, "→"),
				grid(
					`|x|^${layer.p}${layer.mean ? ` ÷ ${n}` : ""}`,
					cells.map((cell) => cell.part || 0),
					wide,
				),
			);
			const root = layer.p === 2 ? "square root" : `root of order ${layer.p}`;
			says = line(`their sum, and its ${root} → `, shown);
		}
		return [slide, says];
	}

	function dense(told, name, all) {
		const { layer, terms, sum, bias, before } = told;
		const order = [...terms].sort((a, b) => Math.abs(b.sum) - Math.abs(a.sum));
		const shown = order.slice(0, 8);
		const rest = sum - shown.reduce((a, term) => a + term.sum, 0);
		const most = size(shown.map((term) => term.sum));
		const rows = shown.map(
			({ map, cells, sum: part }) =>
      element("tr", {}, ...[all(map), short(cells[0].value), "×", short(cells[0].weight), "="].map((t) => element("td", {}, t)), element("td", { style: tint(part, most) }, short(part))), // prettier-ignore
		);
		const table = element("table", {}, element("tbody", {}, ...rows));
		return [
			element("p", {}, `${terms.length} products. The largest:`),
			table,
			line(`these ${short(sum - rest)} ${sign(rest)} ${terms.length - shown.length} others ${short(Math.abs(rest))}${layer.bias ? ` ${sign(bias)} bias ${short(Math.abs(bias))}` : ""} = logit `, element("b", {}, short(before))), // prettier-ignore
			activated(told, layer.activation),
		];
	}

	function other(told) {
		const { layer, from, scale, shift, before, value } = told;
		if (layer.kind === "norm")
      return [line(`${short(from)} × ${short(scale)} ${sign(shift)} ${short(Math.abs(shift))} = `, element("b", {}, short(before)))]; // prettier-ignore
		return [line(`${layer.activation} of ${short(from)} → `, element("b", {}, short(value)))]; // prettier-ignore
	}

	/** Shows how a value came about. `chosen` is {layer, at, map, term}; `pick` chooses
      another of the input's maps, `edit` changes weights, `name(i)` says what a number
      of a flattened layer was. */
	function show(host, told, chosen, pick, edit, name) {
		const focused = host.contains(document.activeElement)
			? document.activeElement.dataset.key
			: null;
		let parts;
		if (told.layer.kind === "dense") parts = dense(told, chosen, name);
		else if (told.terms) parts = convolution(told, chosen.term, pick);
		else if (told.cells) parts = pool(told);
		else parts = other(told);
		now = { term: told.terms?.[chosen.term], edit };
		parts = parts.filter(Boolean);
		const before = [...host.childNodes];
		const alike = parts.length === before.length;
		if (alike && parts.every((part, i) => !part.isConnected || part === before[i]))
			before.forEach((old, i) => old === parts[i] || old.replaceWith(parts[i]));
		else host.replaceChildren(...parts);
		if (focused) host.querySelector(`[data-key="${focused}"]`)?.focus();
	}

	return { grid, show };
})();
