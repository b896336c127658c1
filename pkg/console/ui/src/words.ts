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

export async function speak(l: Language, keep = true) {
  if (l !== 'en' && !i18next.hasResourceBundle(l, 'translation')) i18next.addResourceBundle(l, 'translation', (await others[l]()).default)
  await i18next.changeLanguage(l)
  document.documentElement.lang = l
  if (keep) localStorage.setItem(KEY, l)
}
