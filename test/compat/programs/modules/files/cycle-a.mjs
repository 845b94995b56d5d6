import { b } from "./cycle-b.mjs"; export const a = () => `a${b}`; export let count = 0; export const up = () => { count++ }
