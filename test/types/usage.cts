// The same package from CommonJS.
import warren = require('warren')

export async function main(): Promise<string> {
  const mesh: warren.Mesh = await warren.join()
  const double = mesh.client<{ double(n: number): number }>('math').double
  return `${await double(21)} ${warren.MeshError.name}`
}
