"Hands the metadata and requirements in settings.ini to setuptools."
from configparser import ConfigParser
from setuptools import setup

parser = ConfigParser(delimiters=['='], interpolation=None)
parser.read('settings.ini', encoding='utf-8')
cfg = parser['DEFAULT']
def lines(key): return cfg[key].strip().splitlines()

setup(
    description=cfg['description'], author=cfg['author'], keywords=cfg['keywords'], license_expression=cfg['license'],
    classifiers=['Development Status :: 3 - Alpha', 'Intended Audience :: Science/Research', 'Intended Audience :: Education',
                 'Programming Language :: Python :: 3', 'Topic :: Scientific/Engineering :: Image Processing'],
    install_requires=lines('requirements'),
    extras_require={name: lines(f'{name}_requirements') for name in ('dev', 'bench', 'app', 'formats', 'onnx', 'ray')},
    entry_points={'console_scripts': lines('console_scripts'), 'nbdev': lines('nbdev'), 'pyiqa.archs': lines('pyiqa_archs')},
)
