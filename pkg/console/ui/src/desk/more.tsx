// What the desk shows once it stands, with words of its own: none of it is in its first
// load.
import { bring } from '../words'
import en from './i18n/en.json'

await bring(en, { ro: () => import('./i18n/ro.json'), ru: () => import('./i18n/ru.json') })

export { Dispositions } from './disposition'
export { Script } from './script'
export { Targets } from './transfer'
export { Figures } from './figures'
export { Reminders } from './reminders'
export { KeyHelp } from './keyhelp'
export { Devices } from './devices'
export { Customer } from '../parts/customer'
