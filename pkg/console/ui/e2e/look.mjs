// What every run of the browser does: say what holds, and look at pages with axe.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const axe = readFileSync(new URL('../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8')

export const faults = { count: 0 }

export const check = (ok, what) => {
  console.log((ok ? 'ok    ' : 'FAULT ') + what)
  if (!ok) faults.count++
}

// look takes a picture, if there is a folder for it, and has axe look at the page.
export async function look(page, name, shots) {
  if (shots) await page.screenshot({ path: join(shots, name + '.png') })
  // The page's policy lets no foreign script in; the debugger's evaluation may.
  await page.evaluate(axe)
  const found = await page.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] }))
  check(found.violations.length === 0, `${name}: axe has nothing against it` + found.violations.map((v) => `\n      ${v.id}: ${v.nodes.map((n) => n.target.join(' ') + ' ' + (n.any[0]?.message ?? '')).slice(0, 3).join('; ')}`).join(''))
}
