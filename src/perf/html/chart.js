/* SPDX-License-Identifier: Apache-2.0 */
/* Line charts on uPlot: legend of buttons, tip, zoom, export. All text goes in by textContent. */
"use strict";

/* An element; attributes with the value null or false are left out; children: nodes and strings. */
function el(tag, attributes, ...children) {
	const node = document.createElement(tag);
	for (const [name, value] of Object.entries(attributes || {}))
		if (typeof value === "function")
			node.addEventListener(name, value);
		else if (value !== null && value !== false && value !== undefined)
			node.setAttribute(name, value === true ? "" : value);
	node.append(...children.flat().filter((child) => child !== null && child !== undefined));
	return node;
}

/* About four digits that count. */
function number(value) {
	if (value === null || value === undefined || !Number.isFinite(value))
		return "n/a";
	const size = Math.abs(value);
	if (size >= 1e9 || (size && size < 0.01))
		return String(Number(value.toPrecision(3)));
	return value.toFixed(size >= 1000 ? 0 : size >= 100 ? 1 : size >= 10 ? 2 : size >= 0.1 || !size ? 3 : 4);
}

/* For an axis: no more digits than the value needs. */
function tick(value) {
	return value === null ? "" : String(Number(value.toPrecision(4)));
}

function bytesTick(value) {
	if (value === null)
		return "";
	const units = ["B", "KiB", "MiB", "GiB"];
	let at = 0;
	for (; at < 3 && value >= 1024 && value % 1024 === 0; at++)
		value /= 1024;
	return `${value} ${units[at]}`;
}

function bytes(value) {
	return `${Number(value).toLocaleString("en")} bytes`;
}

/* Number of a series' colour in style.css. */
function hue(series, index) {
	return (series.hue === undefined ? index : series.hue) % 8;
}

function themed(name) {
	return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

const DASHES = [[], [7, 4], [2, 3], [9, 3, 2, 3]];

/* Range of a logarithmic scale: the values', a value that must be in it, and a share more; what is zoomed to, as it is. */
function around(margin, also) {
	return (u, low, high, key) => {
		if (key === "x" && (low !== u.data[0][0] || high !== u.data[0][u.data[0].length - 1]))
			return [low, high];
		if (also !== undefined)
			[low, high] = [Math.min(low, also), Math.max(high, also)];
		if (low === high)
			[low, high] = [low / 2, high * 2];
		return [low / (1 + margin), high * (1 + margin)];
	};
}

/* Places of the lines of a logarithmic axis, at least space apart: powers of two; 1, 2, 5, 10. */
function logSplits(base, space) {
	return (u, axis, low, high) => {
		const room = (axis ? u.over.clientHeight : u.over.clientWidth) || 400, list = [];
		const first = Math.floor(Math.log(low) / Math.log(base) + 1e-9), last = Math.ceil(Math.log(high) / Math.log(base) - 1e-9);
		const unit = room / (Math.log(high / low) / Math.log(base)), step = Math.max(1, Math.ceil(space / unit));
		const parts = base === 10 && step === 1 && unit > 3 * space ? [1, 2, 5] : [1];
		for (let power = Math.ceil(first / step) * step; power <= last; power += step)
			list.push(...parts.map((part) => Number((part * base ** power).toPrecision(12))));
		const inside = list.filter((value) => value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9));
		return inside.length > 1 ? inside : [low, high];
	};
}

function dashOf(series, index) {
	return series.dash || DASHES[Math.floor(index / 8) % DASHES.length];
}

function save(name, blob) {
	const url = URL.createObjectURL(blob);
	el("a", { href: url, download: name }).click();
	setTimeout(() => URL.revokeObjectURL(url), 10000);
}

/* A sample of a series' line, for legends. */
function swatch(series, index) {
	const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
	svg.setAttribute("width", 26);
	svg.setAttribute("height", 10);
	svg.setAttribute("aria-hidden", "true");
	const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
	for (const [key, value] of Object.entries({ x1: 0, x2: 26, y1: 5, y2: 5, "stroke-width": 3,
		style: `stroke:var(--c${hue(series, index)})`, "stroke-dasharray": dashOf(series, index).join(" ") }))
		line.setAttribute(key, value);
	svg.append(line);
	return svg;
}

/*
 * model: title, xTitle, yTitle, x and y texts of values (x, y), ticks of axes (xTick, yTick),
 * xLog, yLog: base or 0, ySplits, and series: name, x, y, optional low, high (interval), dash, off.
 */
class Chart {
	constructor(model, name) {
		this.model = model;
		this.name = name;
		this.shown = model.series.map((series) => !series.off);
		this.align();
		this.plot = el("div", { class: "plot", role: "img", "aria-label": this.summary() });
		this.tip = el("div", { class: "tip", hidden: true, "aria-hidden": "true" });
		this.legend = el("div", { class: "legend", role: "group", "aria-label": "Show or hide" });
		this.paper = el("div", { class: "paper" });
		this.figure = el("figure", {}, this.plot, this.tip, this.legend, this.paper);
		this.makeLegend();
		Chart.all.push(this);
		new ResizeObserver(() => this.resize()).observe(this.plot);
	}

	color(index) {
		return themed(`c${hue(this.model.series[index], index)}`);
	}

	tools() {
		return [
			el("button", { type: "button", click: () => this.draw() }, "Reset zoom"),
			el("button", { type: "button", click: () => this.png() }, "Save PNG"),
			el("button", { type: "button", click: () => this.svg() }, "Save SVG"),
		];
	}

	/* uPlot wants one list of x for all series. */
	align() {
		const xs = [...new Set(this.model.series.flatMap((series) => series.x))].sort((a, b) => a - b);
		const place = new Map(xs.map((x, index) => [x, index]));
		const spread = (series, values) => {
			const column = new Array(xs.length).fill(null);
			if (values)
				series.x.forEach((x, i) => { column[place.get(x)] = Number.isFinite(values[i]) ? values[i] : null; });
			return column;
		};
		this.data = [xs, ...this.model.series.map((series) => spread(series, series.y))];
		this.low = this.model.series.map((series) => spread(series, series.low));
		this.high = this.model.series.map((series) => spread(series, series.high));
	}

	/* The chart in words. */
	summary() {
		const parts = this.model.series.map((series) => {
			const values = series.y.filter(Number.isFinite);
			return values.length ? `${series.name}: from ${this.model.y(Math.min(...values))} to ${this.model.y(Math.max(...values))}`
				: `${series.name}: no figures`;
		});
		return `Line chart. ${this.model.title}. Across: ${this.model.xTitle}. Up: ${this.model.yTitle}. ${parts.join("; ")}. `
			+ "All figures stand in tables below.";
	}

	makeLegend() {
		this.legend.replaceChildren(...this.model.series.map((series, index) =>
			el("button", { type: "button", "aria-pressed": String(this.shown[index]), click: (event) => {
				this.shown[index] = !this.shown[index];
				event.currentTarget.setAttribute("aria-pressed", String(this.shown[index]));
				this.u.setSeries(index + 1, { show: this.shown[index] });
			} }, swatch(series, index), el("span", {}, series.name))));
	}

	options() {
		const { model } = this, ink = themed("soft"), grid = { stroke: themed("grid"), width: 1 };
		const font = "12px system-ui, 'DejaVu Sans', sans-serif";
		const axis = (text, values, log, space, splits) => ({ label: text, stroke: ink, grid, ticks: { ...grid, size: 5 }, font, labelFont: font,
			labelSize: 20, labelGap: 2, values: (u, list) => list.map((v) => v === null ? "" : values(v)), filter: (u, list) => list,
			...(log || splits ? { splits: splits || logSplits(log, space) } : {}) });
		return {
			width: Math.max(this.plot.clientWidth, 200), height: this.plot.clientWidth < 500 ? 260 : 340,
			padding: [12, 16, 0, 0], legend: { show: false },
			cursor: { drag: { x: true, y: false }, points: { size: 8 }, focus: { prox: 24 } },
			scales: {
				x: { time: false, distr: model.xLog ? 3 : 1, log: model.xLog || 10, ...(model.xLog ? { range: around(0.06) } : {}) },
				y: { distr: model.yLog ? 3 : 1, log: model.yLog || 10, range: model.yLog ? around(model.yMargin || 0.15, model.yAlso) : this.yRange() },
			},
			axes: [{ ...axis(model.xTitle, model.xTick, model.xLog, 76), space: 64, size: 30 },
				{ ...axis(model.yTitle, model.yTick, model.yLog, 36, model.ySplits), size: 62 }],
			series: [{}, ...model.series.map((series, index) => ({
				label: series.name, stroke: this.color(index), width: 2, dash: dashOf(series, index), spanGaps: true, show: this.shown[index],
				points: { show: series.x.length < 40 && !series.bare, size: 6, fill: this.color(index) },
			}))],
			hooks: { draw: [() => this.drawIntervals()], setCursor: [() => this.moveTip()] },
		};
	}

	/* From 0 (or what the model says) to a little above the highest. */
	yRange() {
		return (u, low, high) => this.model.yRange ? this.model.yRange(low, high) : [0, high > 0 ? high * 1.08 : 1];
	}

	draw() {
		if (this.u)
			this.u.destroy();
		this.u = new uPlot(this.options(), this.data, this.plot);
	}

	resize() {
		if (this.u && this.plot.clientWidth && Math.abs(this.u.width - this.plot.clientWidth) > 1)
			this.u.setSize({ width: this.plot.clientWidth, height: this.plot.clientWidth < 500 ? 260 : 340 });
	}

	/* Calls back with pixel positions of every interval that is shown: x, low, high, index. */
	intervals(toX, toY, each) {
		this.model.series.forEach((series, index) => {
			if (!series.low || !this.shown[index])
				return;
			this.data[0].forEach((x, i) => {
				if (this.low[index][i] !== null && this.high[index][i] !== null)
					each(toX(x), toY(this.low[index][i]), toY(this.high[index][i]), index);
			});
		});
	}

	drawIntervals() {
		const { ctx, bbox } = this.u, cap = 4 * devicePixelRatio;
		ctx.save();
		ctx.beginPath();
		ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
		ctx.clip();
		ctx.lineWidth = 1.5 * devicePixelRatio;
		this.intervals((x) => this.u.valToPos(x, "x", true), (y) => this.u.valToPos(y, "y", true), (x, low, high, index) => {
			ctx.setLineDash([]);
			ctx.strokeStyle = this.color(index);
			ctx.beginPath();
			ctx.moveTo(x, low);
			ctx.lineTo(x, high);
			ctx.moveTo(x - cap, low);
			ctx.lineTo(x + cap, low);
			ctx.moveTo(x - cap, high);
			ctx.lineTo(x + cap, high);
			ctx.stroke();
		});
		ctx.restore();
	}

	moveTip() {
		const { idx, left, top } = this.u.cursor;
		const rows = idx === null || idx === undefined || left < 0 ? [] : this.model.series.map((series, index) => {
			const value = this.data[index + 1][idx];
			if (value === null || !this.shown[index])
				return null;
			const low = this.low[index][idx], high = this.high[index][idx];
			const range = low === null || high === null ? "" : ` [${number(low)}, ${number(high)}]`;
			return el("div", {}, el("i", { style: `background:var(--c${hue(series, index)})` }), el("span", {}, series.name),
				el("strong", {}, this.model.y(value) + range));
		}).filter(Boolean);
		this.tip.hidden = !rows.length;
		if (!rows.length)
			return;
		this.tip.replaceChildren(el("b", {}, this.model.x(this.data[0][idx])), ...rows);
		const over = this.u.over, width = this.figure.clientWidth, wide = this.tip.offsetWidth;
		const at = over.offsetLeft + left;
		this.tip.style.left = `${Math.max(0, Math.min(at + 14 + wide > width ? at - wide - 14 : at + 14, width - wide))}px`;
		this.tip.style.top = `${over.offsetTop + Math.min(top, over.clientHeight - 20) + 10}px`;
	}

	/* The chart with its title and legend. */
	picture() {
		const from = this.u.ctx.canvas, scale = devicePixelRatio, canvas = el("canvas"), line = 20 * scale;
		const names = this.model.series.map((series, index) => [series.name, index]).filter(([, index]) => this.shown[index]);
		canvas.width = from.width;
		canvas.height = from.height + line * (names.length + 2.5);
		const ctx = canvas.getContext("2d");
		ctx.fillStyle = themed("card");
		ctx.fillRect(0, 0, canvas.width, canvas.height);
		ctx.fillStyle = themed("ink");
		ctx.font = `600 ${15 * scale}px system-ui, sans-serif`;
		ctx.fillText(this.model.title, 12 * scale, line * 1.1);
		ctx.drawImage(from, 0, line * 1.6);
		ctx.font = `${12 * scale}px system-ui, sans-serif`;
		names.forEach(([name, index], row) => {
			const y = from.height + line * (row + 2.3);
			ctx.fillStyle = this.color(index);
			ctx.fillRect(14 * scale, y - 6 * scale, 20 * scale, 4 * scale);
			ctx.fillStyle = themed("ink");
			ctx.fillText(name, 42 * scale, y);
		});
		return canvas;
	}

	png() {
		this.picture().toBlob((blob) => save(`${this.name}.png`, blob), "image/png");
	}

	svg() {
		save(`${this.name}.svg`, new Blob([this.svgText()], { type: "image/svg+xml" }));
	}

	svgText() {
		return new XMLSerializer().serializeToString(this.lines("area", true));
	}

	/* On paper the chart is lines and text, which fit any width. */
	print(printing) {
		this.paper.replaceChildren(...(printing ? [this.lines(`paper-${this.name}`, false)] : []));
	}

	/* The same picture as lines and text, with what is shown and zoomed to now. The id is one that the page has not. */
	lines(id, titled) {
		const W = 900, H = 460, L = 80, T = 44, w = W - L - 24, h = H - T - 60, space = "http://www.w3.org/2000/svg";
		const root = document.createElementNS(space, "svg");
		const add = (parent, tag, attributes, text) => {
			const node = document.createElementNS(space, tag);
			for (const [key, value] of Object.entries(attributes))
				node.setAttribute(key, value);
			if (text !== undefined)
				node.textContent = text;
			parent.append(node);
			return node;
		};
		const scaled = (key, log, from, size) => {
			const { min, max } = this.u.scales[key], f = log ? Math.log : (v) => v;
			return (value) => from + (f(value) - f(min)) / (f(max) - f(min)) * size;
		};
		const toX = scaled("x", this.model.xLog, L, w), toY = scaled("y", this.model.yLog, T + h, -h);
		const names = this.model.series.map((series, index) => index).filter((index) => this.shown[index]);
		const columns = names.some((index) => this.model.series[index].name.length > 56) ? 1 : 2;
		const rows = Math.ceil(names.length / columns), top = titled ? 0 : T - 14;
		for (const [key, value] of Object.entries({ viewBox: `0 ${top} ${W} ${H - top + 20 * rows}`, "font-family": "system-ui, sans-serif", "font-size": 12 }))
			root.setAttribute(key, value);
		add(root, "title", {}, this.model.title);
		add(root, "desc", {}, this.summary());
		add(root, "rect", { width: "100%", height: "100%", fill: themed("card") });
		if (titled)
			add(root, "text", { x: L, y: 24, "font-size": 15, "font-weight": 600, fill: themed("ink") }, this.model.title);
		const clip = add(add(root, "defs", {}), "clipPath", { id });
		add(clip, "rect", { x: L, y: T, width: w, height: h });
		const soft = themed("soft"), grid = themed("grid");
		const splits = (axis) => this.u.axes[axis]._splits || [];
		const texts = (axis) => this.u.axes[axis]._values || [];
		splits(0).forEach((v, i) => {
			if (v === null || toX(v) < L - 1 || toX(v) > L + w + 1)
				return;
			add(root, "line", { x1: toX(v), x2: toX(v), y1: T, y2: T + h, stroke: grid });
			add(root, "text", { x: toX(v), y: T + h + 18, "text-anchor": "middle", fill: soft }, texts(0)[i] || "");
		});
		splits(1).forEach((v, i) => {
			if (v === null || toY(v) < T - 1 || toY(v) > T + h + 1)
				return;
			add(root, "line", { x1: L, x2: L + w, y1: toY(v), y2: toY(v), stroke: grid });
			add(root, "text", { x: L - 8, y: toY(v) + 4, "text-anchor": "end", fill: soft }, texts(1)[i] || "");
		});
		add(root, "text", { x: L + w / 2, y: T + h + 42, "text-anchor": "middle", fill: soft }, this.model.xTitle);
		add(root, "text", { transform: `translate(18 ${T + h / 2}) rotate(-90)`, "text-anchor": "middle", fill: soft }, this.model.yTitle);
		const area = add(root, "g", { "clip-path": `url(#${id})`, fill: "none" });
		for (const index of names) {
			const points = this.data[0].map((x, i) => [x, this.data[index + 1][i]]).filter(([, y]) => y !== null);
			add(area, "polyline", { points: points.map(([x, y]) => `${toX(x).toFixed(1)},${toY(y).toFixed(1)}`).join(" "), stroke: this.color(index),
				"stroke-width": 2, "stroke-dasharray": dashOf(this.model.series[index], index).join(" ") });
		}
		this.intervals(toX, toY, (x, low, high, index) =>
			add(area, "path", { d: `M${x} ${low}V${high}M${x - 4} ${low}h8M${x - 4} ${high}h8`, stroke: this.color(index), "stroke-width": 1.5 }));
		names.forEach((index, i) => {
			const x = L + (i < rows ? 0 : w / 2), y = H + 20 * (i % rows);
			add(root, "line", { x1: x, x2: x + 26, y1: y, y2: y, stroke: this.color(index), "stroke-width": 3,
				"stroke-dasharray": dashOf(this.model.series[index], index).join(" ") });
			add(root, "text", { x: x + 36, y: y + 4, fill: themed("ink") }, this.model.series[index].name);
		});
		return root;
	}
}
Chart.all = [];
