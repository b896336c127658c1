// The words of the supervisor's pages, which come with them.
import { bring } from '../words'
import en from './i18n/en.json'

const more = { ro: () => import('./i18n/ro.json'), ru: () => import('./i18n/ru.json') }

// withWords loads a page and its words.
export const withWords = <T>(page: Promise<T>) => Promise.all([page, bring(en, more)]).then(([p]) => p)
