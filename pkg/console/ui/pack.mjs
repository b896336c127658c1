// Lays a .br and a .gz beside each built file, so that the server packs nothing, and
// takes away what an earlier build left behind. It prints what the desk's first load
// costs, and fails when that is over its budget.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'

const dist = new URL('./dist/', import.meta.url)
// Vite's own list of what this build is made of.
const chunks = JSON.parse(readFileSync(new URL('.vite/manifest.json', dist), 'utf8'))
rmSync(new URL('.vite', dist), { recursive: true })
const built = new Set(Object.values(chunks).flatMap((c) => [c.file, ...(c.css ?? []), ...(c.assets ?? [])]).map((f) => f.replace('assets/', '')))
// What an agent's browser fetches before the desk stands: the page's and the desk's chunks
// with all that they import.
const first = new Set()
const need = (key) => {
  const c = chunks[key]
  if (!c || first.has(c.file)) return
  for (const f of [c.file, ...(c.css ?? [])]) first.add(f.replace('assets/', ''))
  for (const k of c.imports ?? []) need(k)
}
need('index.html')
need('src/pages/desk.tsx')
let desk = 0
for (const name of readdirSync(new URL('assets/', dist))) {
  const at = new URL('assets/' + name, dist)
  if (name.endsWith('.br') || name.endsWith('.gz') || !built.has(name)) {
    rmSync(at)
    continue
  }
  const body = readFileSync(at)
  const br = brotliCompressSync(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } })
  const gz = gzipSync(body, { level: 9 })
  writeFileSync(new URL('assets/' + name + '.br', dist), br)
  writeFileSync(new URL('assets/' + name + '.gz', dist), gz)
  if (first.has(name)) desk += br.length
}
console.log(`first load of the desk: ${(desk / 1000).toFixed(0)} kB, brotli`)
if (desk > 220_000) {
  console.error('over its budget of 220 kB')
  process.exit(1)
}
