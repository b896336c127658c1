// Languages: English is built in, the others load when they are wanted.
import i18next from 'i18next'
import { initReactI18next } from 'react-i18next'
import en from './i18n/en.json'

export const languages = { en: 'English', ro: 'Română', ru: 'Русский' } as const
export type Language = keyof typeof languages

const others: Record<string, () => Promise<{ default: object }>> = { ro: () => import('./i18n/ro.json'), ru: () => import('./i18n/ru.json') }
const KEY = 'centrala.language'

function wanted(): Language {
  const kept = localStorage.getItem(KEY)
  for (const l of [kept, ...navigator.languages]) {
    const short = l?.slice(0, 2)
    if (short && short in languages) return short as Language
  }
  return 'en'
}

export async function begin() {
  await i18next.use(initReactI18next).init({ lng: 'en', fallbackLng: 'en', resources: { en: { translation: en } }, interpolation: { escapeValue: false } })
  await speak(wanted(), false)
}

type Words = Record<string, () => Promise<{ default: object }>>
const brought: Words[] = []

// bring adds the words of a chunk that is loaded later; wait for it before its page is
// shown.
export async function bring(english: object, more: Words) {
  if (brought.includes(more)) return
  brought.push(more)
  i18next.addResourceBundle('en', 'translation', english, true, true)
  await learn(i18next.language, more)
}

async function learn(l: string, words: Words) {
  if (words[l]) i18next.addResourceBundle(l, 'translation', (await words[l]()).default, true, true)
}

export async function speak(l: Language, keep = true) {
  await Promise.all([others, ...brought].map((w) => learn(l, w)))
  await i18next.changeLanguage(l)
  document.documentElement.lang = l
  if (keep) localStorage.setItem(KEY, l)
}
