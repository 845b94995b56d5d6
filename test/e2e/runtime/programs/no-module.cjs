require('not-installed-anywhere')
