// The fault matrix: every row, in the groups that CI runs. run.mjs GROUP runs a group, all its rows at once; faults.mjs
// (`make faults`) runs the rows one after the other, at their full length and often, and prints their figures as a table.
import * as members from './members.mjs'
import * as partitions from './partitions.mjs'
import * as port from './port.mjs'
import * as processes from './processes.mjs'
import * as resources from './resources.mjs'
import * as wire from './wire.mjs'

// A row: what is true in spite of the fault, what tries it, and why it cannot be tried here, if so.
export const groups = {
  processes: [
    ['a node killed on another host is told at once, as a crash', processes.killedNode],
    ['an agent that is killed: its host is told down, its nodes live on, and the next agent has them', processes.killedAgent],
    ['a node stopped for 5 s is never down, and loses nothing', processes.stoppedNode],
    ['a node stopped for a minute is never down, and answers again', processes.longStoppedNode],
    ['agents stopped for 5 s, again and again, are never called down', processes.stoppedAgents],
    ['a reader that stands still costs its publisher a bounded memory', processes.stoppedReader],
    ['a reader of a kilobyte a second does not hold up others', processes.slowReader],
    ['a gigabyte in bulk does not hold up small calls', processes.bulk],
    ['a slow line between hosts: a large message does not hold up other nodes, and nobody is lost', processes.slowLine],
  ],
  partitions: [
    ['at 5 % loss nobody is called down', partitions.lossy(5)],
    ['at 20 % loss nobody is called down', partitions.lossy(20)],
    ['one direction between two hosts: the others vouch for both; a ring: no host stops', partitions.oneWayAndRing],
    ['the power cord of one host: it is told down, nobody else is accused, and it comes back', partitions.powerCord],
    ['two of five cut off: both sides go on, and merge', partitions.twoOfFive],
    ['a host that comes and goes every three seconds is never called down', partitions.flapping],
  ],
  wire: [
    ['changed bytes end links; nothing wrong is delivered, and new links come', wire.changed],
    ['connections of nodes that are reset, again and again: no call fails, nothing is lost or comes twice', wire.reset],
    ['late, repeated and out of order: nobody is lost, nothing runs twice', wire.delayed],
    ['recordings of datagrams and whole sessions are answered by nothing', wire.replayed],
    ['a stream that is swallowed is noticed at both ends', wire.halfOpen],
  ],
  port: [
    ['10,000 silent connections, made again when they are cut off', port.besieged('silent', '10000')],
    ['10,000 connections that say a byte now and then', port.besieged('slow', '10000')],
    ['first messages of garbage', port.besieged('garbage', '100')],
    ['10,000 first messages a second without the key of the cluster', port.besieged('knocks', '10000')],
    ['10,000 first messages a second that were heard before', port.staleKnocks],
    ['100,000 garbage datagrams a second', port.besieged('datagrams', '100000')],
  ],
  members: [
    ['1,000 that come at once, twice', port.manyAtOnce],
    ['a rolling upgrade to the next minor, and back: what is not answered was not delivered', members.rollingUpgrade],
    ['builds with a minor in common are one cluster, one without stays outside and says why', members.strangeMinors],
    ['a copied state directory: the original says so, and nobody else is harmed', members.copied],
    ['one that lies harms nobody else', members.liar],
  ],
  resources: [
    ['a clock that is wrong costs only what certificates say', resources.wrongClock, resources.skipClock],
    ['clocks that jump all the time cost nothing', resources.strobingClocks, resources.skipClock],
    ['certificates are renewed while calls go on; who was away for longer is told how to come back', resources.renewal, resources.skipClock],
    ['a disk that fails (EIO): the agent runs on, and does not start', resources.brokenDisk(5, 'Input/output error'), resources.skipPreload],
    ['a read-only disk (EROFS): the same', resources.brokenDisk(30, 'Read-only file system'), resources.skipPreload],
    ['64 MiB of memory are enough for an agent, whatever others do', resources.littleMemory, resources.skipCgroup],
    ['a full disk: the agent runs on, and refuses what needs the disk', resources.fullDisk],
    ['no descriptor left: links live on, and newcomers come in afterwards', resources.noDescriptors],
  ],
}
