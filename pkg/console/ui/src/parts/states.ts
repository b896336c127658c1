// Colours of an agent's states; the words beside them say the same.
export const stateColors: Record<string, string> = { ready: 'green', offered: 'blue', reserved: 'blue', ringing: 'blue', on_call: 'blue', wrap_up: 'yellow', not_ready: 'orange', offline: 'gray' }
