// The disk under SQLite, for tests: it fails, fills up, or stands still when it is told to.
#pragma once

typedef enum disk_fault {
    DISK_GOOD,
    DISK_FULL,      // nothing more is written
    DISK_READ_ONLY, // files are opened for reading only
    DISK_NO_SYNC,   // fsync fails
    DISK_STUCK,     // fsync waits until the fault is another
} disk_fault;

void disk_use(void); // from now on, for every file that is opened
void disk_set(disk_fault fault);
void disk_wait_stuck(void); // until an fsync waits
