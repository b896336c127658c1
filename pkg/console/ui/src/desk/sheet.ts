// What the queues want of this desk, fetched once and kept.
import { useSyncExternalStore } from 'react'
import { get } from '../api'
import type { Field } from '../parts/fields'

export interface Choice { name: string; label: string; group?: string; callback?: boolean }
export interface DeskQueue {
  display_name?: string
  list?: string
  disposition_required?: boolean
  dispositions: Choice[]
  script?: string
  may_extend?: number
  callback?: boolean
}
export interface Page { name: string; text?: string; questions?: Field[]; branches?: { question: string; is: string; page: string }[]; next?: string }
export interface Sheet { queues: Record<string, DeskQueue>; reasons: string[]; scripts: Record<string, { display_name?: string; pages: Page[] }> }

let sheet: Sheet | undefined
let asked = 0
const watchers = new Set<() => void>()

function look() {
  asked = Date.now()
  get<Sheet>('/desk').then((s) => {
    sheet = s
    watchers.forEach((f) => f())
  }, () => {})
}

// useSheet is undefined until it is there. It is fetched anew with a call, when it is
// older than a minute: a supervisor may have changed it.
export function useSheet() {
  return useSyncExternalStore(
    (f) => {
      watchers.add(f)
      if (Date.now() - asked > 60_000) look()
      return () => void watchers.delete(f)
    },
    () => sheet,
  )
}

export const lookAgain = () => {
  if (Date.now() - asked > 60_000) look()
}
