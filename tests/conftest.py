"Tests compute in main memory, also on a machine with a GPU; `test_devices` has one that is not there."
import os

os.environ['CUDA_VISIBLE_DEVICES'] = ''   # before torch is imported, and for every process that a test starts
