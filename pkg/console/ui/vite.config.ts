import { defineConfig } from 'vite'
import react from '@vitejs/plugin-react'

// The nonce of the page's content security policy stands in index.html as
// __CSP_NONCE__; the server fills it in for each answer.
export default defineConfig({
  plugins: [react()],
  html: { cspNonce: '__CSP_NONCE__' },
  build: { target: 'es2022', outDir: 'dist', emptyOutDir: false, manifest: true, modulePreload: { polyfill: false }, assetsInlineLimit: 0, chunkSizeWarningLimit: 700 },
  server: { proxy: { '/api': 'http://127.0.0.1:8080', '/sip': { target: 'ws://127.0.0.1:8080', ws: true } } },
})
