export const resolve = (specifier, context, next) => (specifier.startsWith('virtual:') ? { url: specifier, shortCircuit: true } : next(specifier, context))
export const load = (url, context, next) => (url.startsWith('virtual:') ? { format: 'module', source: `export default ${JSON.stringify(url)}`, shortCircuit: true } : next(url, context))
