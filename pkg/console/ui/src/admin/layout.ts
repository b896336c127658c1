// Where the fields of a kind stand in its form, and what they pick from. Fields that are
// not named here come under "more", so that none is ever missing.

// sections of a kind: [word, fields].
export const sections: Record<string, [string, string[]][]> = {
  user: [['who', ['display_name', 'roles', 'device']], ['skill', ['skills', 'capacity', 'always_ready', 'on_demand', 'wrap_up']], ['phone', ['agent_number', 'agent_pin', 'outside', 'outside_calls', 'may_monitor']]],
  queue: [
    ['who', ['display_name', 'members', 'skills', 'need', 'strategy', 'tiers']],
    ['waiting', ['music', 'announce', 'announce_first', 'announce_every', 'max_wait', 'max_length', 'leave_when_empty', 'keep_place', 'keys', 'callback', 'overflow']],
    ['offer', ['ring_timeout', 'ring_limit', 'ring_step', 'agent_announcement', 'agent_announcement_wait', 'last_agent', 'patience', 'after_offer', 'priority']],
    ['after', ['wrap_up', 'wrap_up_mode', 'wrap_up_extend', 'dispositions', 'script', 'survey', 'record']],
    ['figures', ['service_level', 'short_abandon', 'alarms']],
  ],
  device: [['who', ['username', 'password', 'extension', 'voicemail', 'voicemail_after']], ['sound', ['codecs', 'media_encryption', 'record', 'auto_answer']], ['rights', ['outside', 'outside_calls', 'max_calls', 'max_contacts']]],
  number: [['who', ['digits', 'flow', 'queue', 'device', 'devices', 'voicemail', 'app']]],
  trunk: [['who', ['target', 'region', 'caller_id', 'number_format', 'prefixes', 'max_calls']], ['signin', ['username', 'password', 'auth_user', 'auth_password', 'register', 'addresses']]],
  schedule: [['hours', ['time_zone', 'hours', 'holidays']], ['closing', ['switch', 'calendars']]],
  tenant: [['who', ['display_name', 'language', 'time_zone', 'region', 'default_target']], ['rights', ['outside_calls', 'rates', 'emergency_numbers']], ['phone', ['feature_codes', 'in_call_codes', 'not_ready_reasons', 'after_offer']]],
}

// refs: what a field of this name is the name of. "!" = nothing else is right.
const refs: Record<string, string> = {
  agent: 'user!', device: 'device!', devices: 'device', flow: 'flow!', queue: 'queue!', schedule: 'schedule!', hours: 'schedule!', script: 'script!', dispositions: 'disposition_list!', voicemail: 'voicemail!',
  users: 'user', music: 'prompt', announce: 'prompt', agent_announcement: 'prompt', greeting: 'prompt', survey: 'flow!', app: 'app!', may_monitor: 'queue', prompt: 'prompt', prompts: 'prompt', owner: 'user',
  resume_prompt: 'prompt',
}

// refOf tells what the text field at a path picks from.
export function refOf(path: string) {
  const name = path.replace(/\[\d+\]/g, '').split('.').pop()!
  const ref = refs[name]
  return ref ? { kind: ref.replace('!', ''), strict: ref.endsWith('!') } : undefined
}

// keyed: maps whose keys are names of something.
export const keyed: Record<string, string> = { skills: 'skill' }

// choices of texts that are a closed list in the checks of the server but not in the schema.
export const choices: Record<string, string[]> = {
  roles: ['agent', 'supervisor', 'quality', 'admin', 'ops'],
  strategy: ['longest_idle', 'round_robin', 'fewest_calls', 'least_occupied', 'ring_all', 'linear', 'progressive', 'random', 'best_skill'],
  days: ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'],
}

// suggested texts; others are right too.
export const suggested: Record<string, string[]> = {
  language: ['en', 'ro', 'ru'],
  codecs: ['opus', 'g722', 'pcma', 'pcmu'],
  time_zone: ['Europe/Chisinau', 'Europe/Bucharest', 'Europe/Kyiv', 'Europe/London', 'UTC'],
  keys: ['callback', 'leave'],
}

export const secrets = new Set(['password', 'auth_password', 'agent_pin', 'pin', 'secret', 'old_secret', 'value'])

// hidden: what the server writes itself.
export const hidden = new Set(['ha1', 'sealed'])

// long texts get more than one line.
export const long = new Set(['text', 'need', 'ical'])

export const human = (name: string) => {
  const s = name.replace(/_/g, ' ')
  return s[0]!.toUpperCase() + s.slice(1)
}
