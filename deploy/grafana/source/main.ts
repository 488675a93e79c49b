// Prints every fault, and ends with 1 where there is one.

import { faultsOf } from "./check.js";
import { OURS } from "./repository.js";

const faults = faultsOf(OURS);
for (const line of faults) console.error(line);
if (faults.length > 0) process.exit(1);
console.log("Dashboards, rules, runbooks and metrics fit together.");
