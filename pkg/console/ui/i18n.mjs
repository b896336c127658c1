// Every language has every word, and every word that the pages ask for exists.
import { existsSync, readFileSync, readdirSync } from 'node:fs'

const flat = (o, at = '') => Object.entries(o).flatMap(([k, v]) => (typeof v === 'object' ? flat(v, at + k + '.') : [at + k]))
// Chunks that are loaded later have words of their own: src/*/i18n.
const rooms = ['src/i18n/', ...readdirSync(new URL('src/', import.meta.url)).map((d) => `src/${d}/i18n/`)].filter((d) => existsSync(new URL(d, import.meta.url)))
const words = (l) => new Set(rooms.flatMap((d) => flat(JSON.parse(readFileSync(new URL(d + l + '.json', import.meta.url), 'utf8')))))
const en = words('en')
let faults = 0
const fault = (text) => (console.error(text), faults++)
for (const l of ['ro', 'ru']) {
  const other = words(l)
  for (const k of en) if (!other.has(k)) fault(`${l}: ${k} is missing`)
  for (const k of other) if (!en.has(k)) fault(`${l}: ${k} is not in en`)
}
const files = (dir) => readdirSync(new URL(dir, import.meta.url), { withFileTypes: true }).flatMap((f) => (f.isDirectory() ? files(dir + f.name + '/') : /\.tsx?$/.test(f.name) ? [dir + f.name] : []))
for (const f of files('src/')) {
  const text = readFileSync(new URL(f, import.meta.url), 'utf8')
  for (const m of text.matchAll(/\bt\('([\w.]+)'[,)]/g)) if (!m[1].endsWith('.') && !en.has(m[1]) && !en.has(m[1] + '_other')) fault(`${f}: no word for ${m[1]}`)
}
process.exit(faults ? 1 : 0)
