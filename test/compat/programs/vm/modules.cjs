// --experimental-vm-modules: source text and synthetic modules are linked, evaluated, and fail as they should
// @node --experimental-vm-modules --no-warnings
// @cold --experimental-vm-modules is read when Node boots
const vm = require('node:vm')
async function main() {
  const context = vm.createContext({ print: console.log })
  const synthetic = new vm.SyntheticModule(['default', 'two'], function () { this.setExport('default', 1); this.setExport('two', 2) }, { context })
  const module = new vm.SourceTextModule('import one, { two } from "numbers"; export const sum = one + two; print(import.meta.name); export default await Promise.resolve(sum * 2)',
    { context, identifier: 'sum.mjs', initializeImportMeta: (meta) => { meta.name = 'meta' } })
  console.log(module.status, module.dependencySpecifiers)
  await module.link((specifier) => (specifier === 'numbers' ? synthetic : null))
  console.log(module.status)
  await module.evaluate()
  console.log(module.status, module.namespace.sum, module.namespace.default, Object.keys(module.namespace))
  const failing = new vm.SourceTextModule('throw new Error("in a module")', { context })
  await failing.link(() => {})
  await failing.evaluate().catch((err) => console.log(err.message, failing.status, failing.error === err))
  try { new vm.SourceTextModule('import from', { context }) } catch (err) { console.log(err.name) }
}
main()
