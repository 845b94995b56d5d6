console.log(require('node:module').globalPaths.slice(0, 2).join(':'))
