// The words of administration come with its pages and not with the desk.
import i18next from 'i18next'
import { useEffect, useState } from 'react'
import en from './i18n/en.json'

const others: Record<string, () => Promise<{ default: object }>> = { ro: () => import('./i18n/ro.json'), ru: () => import('./i18n/ru.json') }
i18next.addResourceBundle('en', 'translation', en, true)
const have = new Set(['en'])

// useAdminWords is false until the language's words are there.
export function useAdminWords(language: string) {
  const [ready, set] = useState(have.has(language))
  useEffect(() => {
    if (have.has(language)) return set(true)
    set(false)
    let here = true
    void others[language]?.().then((m) => {
      i18next.addResourceBundle(language, 'translation', m.default, true)
      have.add(language)
      if (here) set(true)
    })
    return () => void (here = false)
  }, [language])
  return ready
}
