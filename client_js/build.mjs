/**
 * Builds the browser client: `node build.mjs OUTDIR [--sourcemap]`.
 *
 * Bundles the pages whose entry points exist, gives every file a name that carries its hash, and lays a `.br` and a
 * `.gz` beside each, so that the server only ever hands over finished bytes. What OUTDIR holds is described in
 * manifest.json:
 *
 *     { "base": "/static/",
 *       "pages": { "index.html": { "script": "chat-X.js", "style": "chat-Y.css", "brotli_bytes": 20000,
 *                                  "sign_in_brotli_bytes": 25000, "later_brotli_bytes": 5000, "last_brotli_bytes": 9000 } },
 *       "files": { "chat-X.js": { "bytes": 60000, "brotli_bytes": 18000, "gzip_bytes": 20000, "immutable": true } } }
 *
 * A page's template holds `<!-- assets -->` in its head, which becomes its stylesheet, preloads and script, and may name
 * files beside it as `{{icon.svg}}`. Nothing is written inline: the policy of the pages is `script-src 'self'`,
 * `style-src 'self'`.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { brotliCompressSync, gzipSync, constants as zlib } from "node:zlib";
import { build } from "esbuild";
import { minify } from "terser";

/** JavaScript and CSS that the chat page loads until one has signed in and can read and write, in one language, after brotli. */
const CHAT_BUDGET_BYTES = 35 * 1024;
/** What it loads behind that, when there is time or somebody asks, all together. */
const CHAT_LATER_BUDGET_BYTES = 25 * 1024;
/** The pages of the registers, which come behind everything else, in both languages. */
const CHAT_LAST_BUDGET_BYTES = 28 * 1024;
/** The page for operations: the same, with its tables and alarms. */
const OPS_BUDGET_BYTES = 42 * 1024;
/** uPlot, which its charts are drawn by. */
const OPS_LATER_BUDGET_BYTES = 22 * 1024;
/** Where the server serves OUTDIR. */
const BASE = "/static/";
const ASSETS_MARK = "<!-- assets -->";
/** Of these a page loads one, and of the others one more to sign in. */
const LANGUAGE = /^src\/shared\/messages_\w+\.js$/;
const SIGN_IN_LANGUAGE = /^src\/shared\/outer_messages_\w+\.js$/;

/** Catalogues of which both languages are loaded together. */
const CATALOGUES = /[/\\](?:chat|ops|registers)[/\\]messages_(en|ko)\.js$/;
/** Between two texts of a catalogue; none has it. */
const BETWEEN_TEXTS = "|";

const ROOT = path.dirname(fileURLToPath(import.meta.url));

/** @typedef {{name: string, entry: string, template: string, html: string, budgetBytes: number, laterBudgetBytes: number,
 *   signIn?: {entry: string, style: string}, laterStyles?: Record<string, string>,
 *   last?: {entry: string, style: string, budgetBytes: number}}} Page   `signIn`: what is loaded to sign in, where it
 *   isn't with the page; `budgetBytes` is for that and the page. `laterStyles`: style sheets that scripts add when they are
 *   loaded, by the name under which the page's head tells where they are. `last`: what comes behind all that; it is
 *   weighed by itself. */

/** @type {Page[]} */
const PAGES = [
  {
    name: "chat",
    entry: "src/chat/main.jsx",
    template: "src/chat/index.html",
    html: "index.html",
    budgetBytes: CHAT_BUDGET_BYTES,
    laterBudgetBytes: CHAT_LATER_BUDGET_BYTES,
    signIn: { entry: "src/chat/login.jsx", style: "sign-in-style" },
    laterStyles: {
      "sign-in-style": "src/shared/outer.css",
      "later-style": "src/chat/extras.css",
      "last-style": "src/registers/registers.css",
    },
    last: { entry: "src/registers/registers.jsx", style: "last-style", budgetBytes: CHAT_LAST_BUDGET_BYTES },
  },
  {
    name: "ops",
    entry: "src/ops/main.jsx",
    template: "src/ops/index.html",
    html: "ops.html",
    budgetBytes: OPS_BUDGET_BYTES,
    laterBudgetBytes: OPS_LATER_BUDGET_BYTES,
  },
];

/** A reason to stop that needs no stack. */
class BuildFailure extends Error {}

/** @typedef {{bytes: number, brotli_bytes: number, gzip_bytes: number, immutable: boolean}} Sizes */

class Output {
  /** @param {string} directory */
  constructor(directory) {
    this.directory = directory;
    /** @type {Map<string, Sizes>} */
    this.files = new Map();
    mkdirSync(directory, { recursive: true });
  }

  /**
   * Write one file and its compressed twins.
   * @param {string} name
   * @param {Uint8Array | string} content
   * @param {{immutable: boolean}} options whether the name changes with the content
   */
  add(name, content, { immutable }) {
    const bytes = Buffer.from(content);
    const brotli = brotliCompressSync(bytes, { params: { [zlib.BROTLI_PARAM_QUALITY]: zlib.BROTLI_MAX_QUALITY } });
    const gzip = gzipSync(bytes, { level: zlib.Z_BEST_COMPRESSION });
    const file = path.join(this.directory, name);
    writeFileSync(file, bytes);
    writeFileSync(`${file}.br`, brotli);
    writeFileSync(`${file}.gz`, gzip);
    this.files.set(name, {
      bytes: bytes.length,
      brotli_bytes: brotli.length,
      gzip_bytes: gzip.length,
      immutable,
    });
  }
}

/**
 * Writes a catalogue's keys once for both languages, and the texts of each one after the other: after brotli that weighs a
 * tenth less than two objects do.
 * @type {import("esbuild").Plugin}
 */
const catalogues = {
  name: "catalogues",
  setup(builder) {
    builder.onLoad({ filter: CATALOGUES }, async ({ path: file }) => {
      const language = CATALOGUES.exec(file)?.[1] ?? "";
      const keys = Object.keys(await catalogue(file.replace(/\w\w\.js$/, "en.js"), "en"));
      const texts = await catalogue(file, language);
      const joined = keys.map((key) => texts[key]).join(BETWEEN_TEXTS);
      if (Object.keys(texts).join() !== keys.join() || joined.split(BETWEEN_TEXTS).length !== keys.length)
        throw new BuildFailure(`${file} has other keys than English, or a text with ${BETWEEN_TEXTS}`);
      const exported = `export const ${language} = of(${JSON.stringify(joined)});`;
      if (language !== "en") return { contents: `import { of } from "./messages_en.js";\n${exported}` };
      return {
        contents: `const keys = ${JSON.stringify(keys.join(" "))}.split(" ");
export function of(texts) {
  const each = texts.split("${BETWEEN_TEXTS}");
  return Object.fromEntries(keys.map((key, at) => [key, each[at]]));
}
${exported}`,
      };
    });
  },
};

/** @param {string} file @param {string} language @returns {Promise<Record<string, string>>} */
async function catalogue(file, language) {
  return (await import(pathToFileURL(file).href))[language];
}

/**
 * Each page by itself: what two pages have in common would become a file of its own, and small files compress worse.
 * @param {Page} page
 * @param {string} outDirectory
 * @param {boolean} sourcemap
 */
async function bundle(page, outDirectory, sourcemap) {
  const result = await build({
    absWorkingDir: ROOT,
    assetNames: "[name]-[hash]",
    bundle: true,
    charset: "utf8",
    chunkNames: "chunk-[hash]",
    define: { "process.env.NODE_ENV": '"production"' },
    entryNames: "[name]-[hash]",
    entryPoints: {
      [page.name]: page.entry,
      ...Object.fromEntries(
        Object.entries(page.laterStyles ?? {}).map(([name, style]) => [`${page.name}-${name}`, style]),
      ),
    },
    format: "esm",
    jsx: "automatic",
    jsxImportSource: "preact",
    legalComments: "none",
    loader: { ".svg": "file", ".png": "file", ".woff2": "file" },
    logLevel: "warning",
    metafile: true,
    minify: true,
    outdir: outDirectory,
    plugins: [catalogues],
    publicPath: BASE,
    sourcemap: sourcemap ? "linked" : false,
    splitting: true,
    target: "es2022",
    write: false,
  });
  // A rule of a style sheet that it leaves out, such as an @import below another rule, is no more than a warning to it.
  if (result.warnings.length > 0) throw new BuildFailure(`${page.name}: see the warnings above`);
  return { files: result.outputFiles, metafile: result.metafile };
}

/**
 * JavaScript once more through terser, which finds 3 % that esbuild leaves: most of what the budget has to spare.
 * @param {{path: string, text: string, contents: Uint8Array}} file
 * @param {{keep: boolean}} options whether to leave it as the source map describes it
 */
async function squeezed({ path: name, text, contents }, { keep }) {
  if (keep || !name.endsWith(".js")) return contents;
  const { code } = await minify(text, { compress: { ecma: 2022, passes: 3 }, module: true });
  if (code === undefined) throw new BuildFailure(`terser gave nothing for ${path.basename(name)}`);
  return code;
}

/**
 * Names of all JavaScript that a script leads to, itself first.
 * @param {import("esbuild").Metafile} metafile
 * @param {string} output path as the metafile has it
 * @param {{lazy: boolean, without?: string | undefined}} options whether to follow dynamic imports too, and what to leave out
 */
function reachable(metafile, output, { lazy, without }) {
  /** @type {Set<string>} */
  const found = new Set();
  const waiting = [output];
  for (let current = waiting.pop(); current !== undefined; current = waiting.pop()) {
    if (found.has(current) || current === without) continue;
    found.add(current);
    for (const { path: imported, kind } of metafile.outputs[current]?.imports ?? []) {
      if (kind === "import-statement" || (lazy && kind === "dynamic-import")) waiting.push(imported);
    }
  }
  return [...found];
}

/**
 * @param {import("esbuild").Metafile} metafile
 * @param {Page} page
 */
function assetsOf(metafile, page) {
  const entry = Object.entries(metafile.outputs).find(([, output]) => output.entryPoint === page.entry);
  if (entry === undefined) throw new BuildFailure(`esbuild gave no output for ${page.entry}`);
  const [script, output] = entry;
  const style = output.cssBundle;
  const built = (/** @type {string} */ entryPoint) =>
    Object.keys(metafile.outputs).find((file) => metafile.outputs[file]?.entryPoint === entryPoint) ?? "";
  const last = page.last && built(page.last.entry);
  const everything = reachable(metafile, script, { lazy: true, without: last });
  const lastScripts = last === undefined ? [] : reachable(metafile, last, { lazy: true });
  const laterStyles = Object.entries(page.laterStyles ?? {}).map(([name, style]) => ({ name, file: built(style) }));
  const atOnce = reachable(metafile, script, { lazy: false });
  const isLanguage = (/** @type {string} */ file) => LANGUAGE.test(metafile.outputs[file]?.entryPoint ?? "");
  const isSignInLanguage = (/** @type {string} */ file) =>
    SIGN_IN_LANGUAGE.test(metafile.outputs[file]?.entryPoint ?? "");
  const toSignIn = page.signIn === undefined ? [] : reachable(metafile, built(page.signIn.entry), { lazy: false });
  return {
    script: path.basename(script),
    style: style === undefined ? undefined : path.basename(style),
    preloads: atOnce.slice(1).map((file) => path.basename(file)),
    weighed: [...atOnce, ...(style === undefined ? [] : [style])].map((file) => path.basename(file)),
    later: [
      ...everything.filter((file) => !atOnce.includes(file) && !isLanguage(file)),
      ...laterStyles.filter(({ name }) => name !== page.last?.style).map(({ file }) => file),
    ].map((file) => path.basename(file)),
    last: [
      ...lastScripts.filter((file) => !everything.includes(file) && !isLanguage(file)),
      ...laterStyles.filter(({ name }) => name === page.last?.style).map(({ file }) => file),
    ].map((file) => path.basename(file)),
    toSignIn: [
      ...toSignIn.filter((file) => !atOnce.includes(file)),
      ...laterStyles.filter(({ name }) => name === page.signIn?.style).map(({ file }) => file),
    ].map((file) => path.basename(file)),
    laterStyles: laterStyles.map(({ name, file }) => ({ name, file: path.basename(file) })),
    languages: everything.filter(isLanguage).map((file) => path.basename(file)),
    signInLanguages: everything.filter(isSignInLanguage).map((file) => path.basename(file)),
  };
}

/**
 * @param {Page} page
 * @param {ReturnType<typeof assetsOf>} assets
 * @param {Output} output
 */
function fillTemplate(page, assets, output) {
  const file = path.join(ROOT, page.template);
  if (!existsSync(file)) throw new BuildFailure(`${page.template} is missing`);
  const template = readFileSync(file, "utf8");
  if (template.split(ASSETS_MARK).length !== 2) throw new BuildFailure(`${page.template} needs one ${ASSETS_MARK}`);
  const tags = [
    ...(assets.style === undefined ? [] : [`<link rel="stylesheet" href="${BASE}${assets.style}">`]),
    // The script that is loaded later can't know the name of its style sheet, which comes of the same build.
    ...assets.laterStyles.map(({ name, file }) => `<meta name="${name}" content="${BASE}${file}">`),
    ...assets.preloads.map((name) => `<link rel="modulepreload" href="${BASE}${name}">`),
    `<script type="module" src="${BASE}${assets.script}"></script>`,
  ];
  return template
    .replace(ASSETS_MARK, () => tags.join("\n    "))
    .replaceAll(/\{\{([\w./-]+)\}\}/g, (_, name) => BASE + addBeside(file, name, output));
}

/**
 * @param {string} template
 * @param {string} name of a file, relative to the template
 * @param {Output} output
 */
function addBeside(template, name, output) {
  const file = path.join(path.dirname(template), name);
  if (!existsSync(file)) throw new BuildFailure(`${path.basename(template)} names ${name}, which is missing`);
  const content = readFileSync(file);
  const hash = createHash("sha256").update(content).digest("hex").slice(0, 8).toUpperCase();
  const { name: stem, ext } = path.parse(name);
  const hashed = `${stem}-${hash}${ext}`;
  output.add(hashed, content, { immutable: true });
  return hashed;
}

/**
 * The licences of what was bundled: theirs ask for it, and minified files carry none.
 * @param {Iterable<string>} inputs paths of all files
 */
function licences(inputs) {
  const packages = new Set();
  for (const input of inputs) {
    const match = /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input);
    if (match) packages.add(match[1]);
  }
  const texts = [...packages].sort().map((name) => {
    const text = readFileSync(path.join(ROOT, "node_modules", name, "LICENSE"), "utf8");
    return `${name}\n${"-".repeat(name.length)}\n${text.trim()}\n`;
  });
  return texts.join("\n\n");
}

/** @param {number} bytes */
function kilobytes(bytes) {
  return `${(bytes / 1024).toFixed(1).padStart(7)} KB`;
}

/** What to say of too much weight. @param {string} what @param {number} bytes @param {number} budgetBytes */
function excess(what, bytes, budgetBytes) {
  return bytes > budgetBytes ? [`${what} weighs${kilobytes(bytes)}; its budget is${kilobytes(budgetBytes)}`] : [];
}

/**
 * @param {string} outDirectory
 * @param {boolean} sourcemap
 */
async function main(outDirectory, sourcemap) {
  const pages = PAGES.filter((page) => existsSync(path.join(ROOT, page.entry)));
  if (pages.length === 0)
    throw new BuildFailure(`none of ${PAGES.map((page) => page.entry).join(", ")} exists: nothing to build`);
  const output = new Output(outDirectory);
  /** @type {Record<string, {script: string, style: string | undefined, brotli_bytes: number,
   *   sign_in_brotli_bytes: number, later_brotli_bytes: number, last_brotli_bytes: number}>} */
  const described = {};
  /** @type {string[]} */
  const tooHeavy = [];
  /** @type {Set<string>} */
  const inputs = new Set();
  for (const page of pages) {
    const { files, metafile } = await bundle(page, outDirectory, sourcemap);
    for (const file of files) {
      if (file.path.endsWith(".map")) writeFileSync(file.path, file.contents);
      else output.add(path.basename(file.path), await squeezed(file, { keep: sourcemap }), { immutable: true });
    }
    for (const input of Object.keys(metafile.inputs)) inputs.add(input);
    const assets = assetsOf(metafile, page);
    output.add(page.html, fillTemplate(page, assets, output), { immutable: false });
    const weight = (/** @type {string} */ name) => output.files.get(name)?.brotli_bytes ?? 0;
    const heaviest = (/** @type {string[]} */ names) => Math.max(0, ...names.map(weight));
    const brotliBytes = assets.weighed.reduce((sum, name) => sum + weight(name), heaviest(assets.languages));
    const signInBytes = assets.toSignIn.reduce(
      (sum, name) => sum + weight(name),
      brotliBytes + heaviest(assets.signInLanguages),
    );
    const laterBytes = assets.later.reduce((sum, name) => sum + weight(name), 0);
    const lastBytes = assets.last.reduce((sum, name) => sum + weight(name), 0);
    described[page.html] = {
      script: assets.script,
      style: assets.style,
      brotli_bytes: brotliBytes,
      sign_in_brotli_bytes: signInBytes,
      later_brotli_bytes: laterBytes,
      last_brotli_bytes: lastBytes,
    };
    tooHeavy.push(
      ...excess(page.name, signInBytes, page.budgetBytes),
      ...excess(`${page.name}, what is loaded later,`, laterBytes, page.laterBudgetBytes),
      ...excess(`${page.name}, what is loaded last,`, lastBytes, page.last?.budgetBytes ?? 0),
    );
  }
  output.add("licenses.txt", licences(inputs), { immutable: false });
  const manifest = { base: BASE, pages: described, files: Object.fromEntries(output.files) };
  writeFileSync(path.join(outDirectory, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`);

  for (const [name, sizes] of output.files)
    console.log(`${kilobytes(sizes.bytes)} ${kilobytes(sizes.brotli_bytes)} br  ${name}`);
  for (const [name, { brotli_bytes, sign_in_brotli_bytes, later_brotli_bytes, last_brotli_bytes }] of Object.entries(
    described,
  ))
    console.log(
      `${name}: JavaScript and CSS${kilobytes(brotli_bytes)} br, with signing in${kilobytes(sign_in_brotli_bytes)} br, ` +
        `later${kilobytes(later_brotli_bytes)} br, last${kilobytes(last_brotli_bytes)} br`,
    );
  if (tooHeavy.length > 0) throw new BuildFailure(tooHeavy.join("\n"));
}

const args = process.argv.slice(2);
const directories = args.filter((arg) => !arg.startsWith("--"));
const unknown = args.filter((arg) => arg.startsWith("--") && arg !== "--sourcemap");
if (directories.length !== 1 || unknown.length > 0) {
  console.error("usage: node build.mjs OUTDIR [--sourcemap]");
  process.exit(2);
}
try {
  await main(path.resolve(/** @type {string} */ (directories[0])), args.includes("--sourcemap"));
} catch (error) {
  if (error instanceof BuildFailure) console.error(`build: ${error.message}`);
  // esbuild has printed what is wrong in the sources; anything else is a bug here.
  else if (!(error instanceof Error && "errors" in error)) throw error;
  process.exitCode = 1;
}
